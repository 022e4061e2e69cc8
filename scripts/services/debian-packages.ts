/** Debian packages unpacked into the cache, beside the system: nothing is installed, and no root is needed. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { cacheDirectory, run } from './java-jars.ts'

export interface UnpackedPackages {
  /** The packages' root: programs are below `usr`. */
  readonly root: string
  /**
   * The words that start one of its programs. Packages of another release need a newer C library than the system has,
   * so a program is run by the unpacked loader with the unpacked libraries.
   */
  command(program: string, ...moreLibraries: readonly string[]): string[]
}

/** Unpacks `packages` and everything they depend on from a Debian suite, once, into the cache. */
export function unpackPackages(name: string, suite: string, packages: readonly string[]): UnpackedPackages {
  const root = path.join(cacheDirectory(), name)
  if (!existsSync(path.join(root, '.done'))) fill(root, suite, packages)
  const libraries = readdirSync(path.join(root, 'usr', 'lib')).find((entry) => entry.endsWith('-linux-gnu'))
  if (libraries === undefined) throw new Error(`the packages in ${root} have no libraries: remove that directory`)
  const directory = path.join(root, 'usr', 'lib', libraries)
  const loader = ['ld-linux-x86-64.so.2', 'ld-linux-aarch64.so.1']
    .flatMap((file) => [path.join(directory, file), path.join(root, 'lib', libraries, file)])
    .find((file) => existsSync(file))
  if (loader === undefined) throw new Error(`no program loader in ${root}: this machine's kind is not known here`)
  const own = [directory, path.join(root, 'lib', libraries)]
  return {
    root,
    command: (program, ...more) => [loader, '--library-path', [...more, ...own].join(':'), path.resolve(root, program)],
  }
}

function fill(root: string, suite: string, packages: readonly string[]): void {
  // A directory of our own until it is complete: another process may be unpacking the same packages.
  const partial = `${root}.${process.pid}`
  const apt = path.join(partial, 'apt')
  rmSync(partial, { recursive: true, force: true })
  try {
    const options = makeAptRoot(apt, suite)
    run('apt-get', [...options, 'update', '-qq'])
    run('apt-get', [...options, 'install', '--no-install-recommends', '-y', '-qq', '-d', ...packages])
    const archives = path.join(apt, 'var', 'cache', 'apt', 'archives')
    const unpacked = path.join(partial, 'root')
    for (const file of readdirSync(archives)) {
      if (file.endsWith('.deb')) run('dpkg-deb', ['-x', path.join(archives, file), unpacked])
    }
    writeFileSync(path.join(unpacked, '.done'), '')
    rmSync(root, { recursive: true, force: true })
    renameSync(unpacked, root)
  } finally {
    rmSync(partial, { recursive: true, force: true })
  }
}

/** A root of apt's own with an empty list of installed packages: it downloads every dependency and locks nobody out. */
function makeAptRoot(directory: string, suite: string): string[] {
  for (const folder of [
    'etc/apt/apt.conf.d',
    'etc/apt/preferences.d',
    'etc/apt/sources.list.d',
    'etc/apt/trusted.gpg.d',
    'var/lib/apt/lists/partial',
    'var/cache/apt/archives/partial',
    'var/lib/dpkg',
  ]) {
    mkdirSync(path.join(directory, folder), { recursive: true })
  }
  const status = path.join(directory, 'var/lib/dpkg/status')
  writeFileSync(status, '')
  const signed = '[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]'
  writeFileSync(path.join(directory, 'etc/apt/sources.list'), `deb ${signed} ${debianMirror()} ${suite} main\n`)
  return [
    ['Dir', directory],
    ['Dir::State::status', status],
    ['Dir::Etc', path.join(directory, 'etc/apt')],
    ['APT::Sandbox::User', os.userInfo().username],
    ['Acquire::Languages', 'none'],
  ].flatMap(([key, value]) => ['-o', `${key}=${value}`])
}

/** The mirror that this machine's own packages come from, if it is a Debian. */
function debianMirror(): string {
  const fallback = 'http://deb.debian.org/debian'
  const sources = ['/etc/apt/sources.list.d/debian.sources', '/etc/apt/sources.list'].filter((file) => existsSync(file))
  for (const file of sources) {
    const found = /^(?:URIs:|deb(?: \[[^\]]*\])?)\s+(\S+\/debian)\/?\s*(?:\s|$)/m.exec(readFileSync(file, 'utf8'))
    if (found?.[1] !== undefined) return found[1]
  }
  return fallback
}

/** Where a program of the system is, of several possible names. */
export function programOfSystem(...names: readonly string[]): string | undefined {
  for (const name of names) {
    const found = spawnSync('sh', ['-c', 'command -v -- "$0"', name], { encoding: 'utf8' })
    if (found.status === 0) return found.stdout.trim()
  }
  return undefined
}
