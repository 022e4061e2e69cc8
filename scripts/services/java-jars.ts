import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const repository = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..')

/** Where downloaded servers live: `MILLRACE_CACHE`, or `.cache` of the repository. */
export function cacheDirectory(): string {
  const directory = process.env['MILLRACE_CACHE'] ?? path.join(repository, '.cache')
  mkdirSync(directory, { recursive: true })
  return directory
}

/** Lets Maven copy a pom's dependencies into the cache, once per change of the pom. Returns the directory of the jars. */
export function resolveJars(pom: string, name: string): string {
  const directory = path.join(cacheDirectory(), name, 'libs')
  const done = path.join(directory, '.done')
  if (existsSync(done) && statSync(done).mtimeMs >= statSync(pom).mtimeMs) return directory
  requireJava()
  // A directory of our own until it is complete: another process may resolve the same jars at the same time.
  const partial = `${directory}.${process.pid}`
  rmSync(partial, { recursive: true, force: true })
  mkdirSync(partial, { recursive: true })
  run('mvn', ['-q', '-B', '-f', pom, 'dependency:copy-dependencies', `-DoutputDirectory=${partial}`])
  writeFileSync(path.join(partial, '.done'), '')
  rmSync(directory, { recursive: true, force: true })
  renameSync(partial, directory)
  return directory
}

/** Makes sure that `java` and `mvn` are there: installs them with apt-get when we are root, else says what to install. */
export function requireJava(): void {
  if (isInstalled('java', '-version') && isInstalled('mvn', '-version')) return
  const wanted = 'default-jre-headless maven'
  if (process.getuid?.() !== 0 || !isInstalled('apt-get', '--version')) {
    throw new Error(`java and mvn are needed to start this server: install them (Debian: apt-get install ${wanted})`)
  }
  run('apt-get', ['update', '-qq'])
  run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...wanted.split(' ')])
}

/** Runs a program to its end; a failure carries what it printed. */
export function run(program: string, args: readonly string[]): string {
  const done = spawnSync(program, args, { encoding: 'utf8', maxBuffer: 64 << 20 })
  if (done.status === 0) return done.stdout
  const said = `${done.stdout ?? ''}${done.stderr ?? ''}`.trim().slice(-2000)
  throw new Error(`${program} ${args[0] ?? ''} failed (${done.error?.message ?? `exit ${done.status}`}): ${said}`)
}

function isInstalled(program: string, versionFlag: string): boolean {
  return spawnSync(program, [versionFlag], { stdio: 'ignore' }).status === 0
}
