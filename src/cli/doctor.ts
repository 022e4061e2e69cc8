import { lstat, statfs } from 'node:fs/promises'
import { availableParallelism, totalmem } from 'node:os'
import { dirname, resolve } from 'node:path'
import { toMillraceError } from '../core/errors.ts'
import { isS3Address } from '../storage/open-store.ts'
import { proveLogPlace, statePlaceOf } from '../storage/state-place.ts'
import type { LocatedFinding } from '../plan/parsed-file.ts'
import { paint, singleLine } from './terminal.ts'
import type { Verb } from './verb.ts'

/** One look at the machine. `problem` without `isFatal` is advice. */
interface Diagnosis {
  readonly name: string
  readonly found: string
  readonly problem?: string
  readonly hint?: string
  readonly isFatal?: boolean
}

const MINIMUM_NODE: readonly [number, number] = [24, 6]
const BROKEN_NODES: readonly string[] = ['22.7.0']
const SHARED_MEMORY_PER_LANE = 16 * 2 ** 20
const FREE_DISK_MIN = 2 ** 30

export const verb: Verb = {
  examples: [
    'millrace doctor',
    'millrace doctor --storage /var/lib/millrace --json',
    'millrace doctor --storage s3://lake/state',
  ],
  define(command) {
    command.option('--storage <place>', 'the `checkpoint.storage` of the pipeline', './.millrace')
  },
  async run({ options }) {
    const storage = String(options['storage'])
    const diagnoses = [
      node(),
      await duckdb(),
      threadPool(),
      memory(),
      await sharedMemory(),
      ...(await stateDirectory(storage)),
    ]
    const text = diagnoses.map(line).join('')
    return { result: diagnoses.map((one) => ({ ...one })), text, findings: diagnoses.flatMap(finding) }
  },
}

function line({ name, found, problem, isFatal }: Diagnosis): string {
  const mark = problem === undefined ? paint('green', '✓') : isFatal === true ? paint('red', '✗') : paint('yellow', '!')
  return `${mark} ${name}: ${singleLine(found)}\n`
}

function finding({ name, problem, hint, isFatal }: Diagnosis): LocatedFinding[] {
  if (problem === undefined) return []
  const severity = isFatal === true ? 'error' : 'warning'
  return [
    { file: '', severity, code: 'PREFLIGHT', message: `${name}: ${problem}`, ...(hint === undefined ? {} : { hint }) },
  ]
}

function node(): Diagnosis {
  const version = process.versions.node
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const [wantedMajor, wantedMinor] = MINIMUM_NODE
  const isOld = major < wantedMajor || (major === wantedMajor && minor < wantedMinor)
  const base = { name: 'node', found: version }
  if (BROKEN_NODES.includes(version))
    return { ...base, problem: 'this version corrupts text', hint: 'install a newer one', isFatal: true }
  return isOld
    ? { ...base, problem: 'too old', hint: `install Node ${MINIMUM_NODE.join('.')} or newer`, isFatal: true }
    : base
}

async function duckdb(): Promise<Diagnosis> {
  try {
    const { openLaneDatabase } = await import('../dataplane/lane-database.ts')
    await using database = await openLaneDatabase({ memoryLimitBytes: 64 * 2 ** 20 })
    const rows = await database.run('SELECT version()')
    return { name: 'duckdb', found: String(rows[0]?.[0]) }
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error)
    return { name: 'duckdb', found: 'does not load', problem, hint: 'reinstall: npm ci', isFatal: true }
  }
}

/** DuckDB's queries and file calls share libuv's pool; too few threads make a checkpoint wait behind queries. */
function threadPool(): Diagnosis {
  const wanted = Math.max(16, 2 * availableParallelism() + 8)
  const size = Number(process.env['UV_THREADPOOL_SIZE'] ?? 4)
  const base = { name: 'thread pool', found: `${size} threads` }
  if (size >= wanted) return base
  return {
    ...base,
    problem: `${wanted} are wanted for ${availableParallelism()} lanes`,
    hint: `start with bin/millrace, or set UV_THREADPOOL_SIZE=${wanted}`,
  }
}

function memory(): Diagnosis {
  const bytes = process.constrainedMemory() || totalmem()
  const base = { name: 'memory', found: formatBytes(Math.min(bytes, totalmem())) }
  return bytes >= 512 * 2 ** 20
    ? base
    : { ...base, problem: 'pipelines with SQL want 512 MiB', hint: 'raise the limit' }
}

async function sharedMemory(): Promise<Diagnosis> {
  const base = { name: '/dev/shm' }
  try {
    const { bavail, bsize } = await statfs('/dev/shm')
    const free = bavail * bsize
    const wanted = SHARED_MEMORY_PER_LANE * availableParallelism()
    if (free >= wanted) return { ...base, found: `${formatBytes(free)} free` }
    const hint = 'containers: --shm-size=256m'
    return {
      ...base,
      found: `${formatBytes(free)} free`,
      problem: `${formatBytes(wanted)} are wanted; an ordinary directory is used instead`,
      hint,
    }
  } catch {
    return { ...base, found: 'not there; an ordinary temporary directory is used' }
  }
}

async function stateDirectory(storage: string): Promise<Diagnosis[]> {
  if (isS3Address(storage)) return [await objectStorage(storage)]
  const directory = resolve(storage)
  return [await ownership(directory), await freeDisk(directory)]
}

/** By the endpoint and the keys of the environment; a pipeline with an endpoint of its own has `check --connect`. */
async function objectStorage(storage: string): Promise<Diagnosis> {
  const name = 'object storage'
  try {
    await proveLogPlace(statePlaceOf({ name: 'doctor', storage }))
    return { name, found: `${storage} honours conditional writes` }
  } catch (thrown) {
    const { message } = toMillraceError(thrown)
    return { name, found: storage, problem: message, isFatal: true }
  }
}

/** The state decides what is committed: nobody else may write it. */
async function ownership(storage: string): Promise<Diagnosis> {
  const base = { name: 'state directory' }
  try {
    const found = await lstat(storage)
    const mode = (found.mode & 0o777).toString(8)
    const bad = (problem: string, hint: string): Diagnosis => ({
      ...base,
      found: `${storage} (${mode})`,
      problem,
      hint,
      isFatal: true,
    })
    if (found.isSymbolicLink()) return bad('is a symbolic link', 'name the directory itself')
    if (!found.isDirectory()) return bad('is not a directory', 'name another one')
    if (process.getuid !== undefined && found.uid !== process.getuid())
      return bad('belongs to another user', 'run as its owner')
    if ((found.mode & 0o022) !== 0) return bad('can be written by other users', `chmod 700 ${storage}`)
    return { ...base, found: `${storage} (${mode})` }
  } catch {
    return { ...base, found: `${storage} (will be created)` }
  }
}

async function freeDisk(storage: string): Promise<Diagnosis> {
  for (let at = storage; ; at = dirname(at)) {
    const disk = await statfs(at).catch(() => undefined)
    if (disk === undefined && at !== dirname(at)) continue
    const free = disk === undefined ? 0 : disk.bavail * disk.bsize
    const base = { name: 'disk', found: `${formatBytes(free)} free` }
    return free >= FREE_DISK_MIN
      ? base
      : { ...base, problem: 'less than 1 GiB is free', hint: 'free space or name another --storage' }
  }
}

function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  const power = Math.min(Math.floor(Math.log2(Math.max(bytes, 1)) / 10), units.length - 1)
  return `${(bytes / 1024 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`
}
