/** strace, which makes chosen system calls fail or kills the process at one: the system's own, or Debian's, unpacked. */
import { spawnSync } from 'node:child_process'
import { programOfSystem, unpackPackages } from './debian-packages.ts'

export interface Strace {
  /** The words that start it. */
  readonly command: readonly string[]
}

/** Says why there is none: no Linux, no network to fetch it from, or a system that does not let processes be traced. */
export function prepareStrace(): Strace | { readonly missing: string } {
  if (process.platform !== 'linux') return { missing: 'strace is a program of Linux' }
  try {
    const installed = programOfSystem('strace')
    const command =
      installed === undefined ? unpackPackages('strace', 'bookworm', ['strace']).command('usr/bin/strace') : [installed]
    const [program = '', ...words] = command
    const tried = spawnSync(program, [...words, '-f', '--seccomp-bpf', '-qq', '-o', '/dev/null', 'true'])
    return tried.status === 0
      ? { command }
      : { missing: `strace may not trace here: ${tried.stderr.toString().trim()}` }
  } catch (error) {
    return { missing: `strace cannot be unpacked: ${error instanceof Error ? error.message : String(error)}` }
  }
}
