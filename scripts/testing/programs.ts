import { describe, runProgram, type StageResult } from './stage.ts'

/** Programs that start the servers and readers of the tests: how to see that one is there, and its Debian package. */
const PROGRAMS: readonly { readonly probe: readonly [string, ...string[]]; readonly package: string }[] = [
  { probe: ['java', '-version'], package: 'default-jre-headless' },
  { probe: ['mvn', '-version'], package: 'maven' },
  { probe: ['python3', '-c', 'import ensurepip, venv'], package: 'python3-venv' },
  { probe: ['openssl', 'version'], package: 'openssl' },
  { probe: ['go', 'version'], package: 'golang-go' },
  { probe: ['curl', '--version'], package: 'curl' },
]

/** Installs what is missing with apt-get when we are root; otherwise says what to install. */
export async function ensurePrograms(signal: AbortSignal): Promise<StageResult> {
  const found = await Promise.all(PROGRAMS.map(({ probe }) => isThere(probe, signal)))
  const missing = PROGRAMS.filter((_, at) => found[at] === false).map((program) => program.package)
  if (missing.length === 0) return { ok: true, output: '' }
  if (process.getuid?.() !== 0 || !(await isThere(['apt-get', '--version'], signal))) {
    return { ok: false, output: `please install: ${missing.join(' ')} (names of Debian's packages)` }
  }
  const updated = await runProgram('apt-get', ['update', '-qq'], signal)
  if (!updated.ok) return updated
  const installed = await runProgram('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...missing], signal)
  return installed.ok ? { ok: true, output: `installed ${missing.join(' ')}` } : installed
}

async function isThere([program, ...args]: readonly [string, ...string[]], signal: AbortSignal): Promise<boolean> {
  try {
    return (await runProgram(program, args, signal)).ok
  } catch (error) {
    if (describe(error).includes('ENOENT')) return false
    throw error
  }
}
