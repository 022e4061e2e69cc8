import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { MillraceError, toMillraceError } from '../core/errors.ts'
import type { S3Options } from '../core/options.ts'
import type { Patience } from '../clients/s3/index.ts'
import type { CheckpointLog } from './checkpoint-log.ts'
import { LocalLog } from './local-log.ts'
import { isS3Address } from './open-store.ts'
import { openStateDirectory, stateDirectoryOf } from './state-directory.ts'
import { openLocalLog } from './threaded-log.ts'

/** Where the state of a pipeline is. */
export interface StatePlace {
  readonly name: string
  /** On this machine: the control socket and the records of the last run; without `remote` the checkpoint log too. */
  readonly directory: string
  /** The checkpoint log in object storage. */
  readonly remote?: { readonly address: string; readonly s3: S3Options | undefined }
}

/** What a pipeline says about the place of its state; `storage` is an absolute directory or an `s3://` address. */
export interface StateSettings {
  readonly name: string
  readonly storage: string
  readonly s3?: S3Options | undefined
}

/** The place, without touching it. */
export function statePlaceOf({ name, storage, s3 }: StateSettings): StatePlace {
  if (!isS3Address(storage)) return { name, directory: stateDirectoryOf(storage, name) }
  const address = `${storage.replace(/\/+$/, '')}/${name}`
  return { name, directory: stateDirectoryOf(localHome(), localName(name, address)), remote: { address, s3 } }
}

/** Where a sink keeps rows until they are confirmed: an address for a file store, beside the checkpoint log. */
export function stagingAddressOf(settings: StateSettings, sink: string): string {
  const { directory, remote } = statePlaceOf(settings)
  return `${remote?.address ?? directory}/staged/${encodeURIComponent(sink)}`
}

/** Address of the store in which steps keep their state. */
export function stateFilesOf({ directory, remote }: StatePlace): string {
  return remote === undefined ? join(directory, 'state') : `${remote.address}/state`
}

/** Makes the directory on this machine if it is missing. Refused when others could control the job through it. */
export function prepareStatePlace({ name, directory, remote }: StatePlace): void {
  if (remote === undefined) return void openStateDirectory(join(directory, '..'), name)
  try {
    openStateDirectory(localHome(), localName(name, remote.address))
  } catch (thrown) {
    const { message, code, detail } = toMillraceError(thrown)
    const hint = 'the control socket is there; XDG_STATE_HOME names another place'
    throw new MillraceError(`${message} (${hint})`, { code, detail, cause: thrown })
  }
}

/** The checkpoint log for writing. `owner` names this process for people. */
export async function openCheckpointLog({ directory, remote }: StatePlace, owner: string): Promise<CheckpointLog> {
  return remote === undefined ? openLocalLog(directory, owner) : await openRemote(remote, WRITE)
}

/** The checkpoint log for a look: a job that never ran leaves no trace of being looked at. */
export async function openLogReader({ directory, remote }: StatePlace): Promise<CheckpointLog | undefined> {
  if (remote !== undefined) return readOnly(await openRemote(remote, LOOK))
  if (!existsSync(join(directory, 'log'))) return undefined
  const log = new LocalLog(directory, 'reader')
  return readOnly({
    address: directory,
    newest: async () => log.newest(),
    list: async (from) => log.list(from),
    read: async (seq) => log.read(seq),
  })
}

/**
 * Proves that object storage can hold the log: reachable, allowed, with conditional writes. Leaves nothing behind.
 *
 * @throws MillraceError UNAVAILABLE, AUTH, CONFIG, PREFLIGHT.
 */
export async function proveLogPlace({ remote }: StatePlace): Promise<void> {
  if (remote === undefined) return
  const { openBucket } = await import('./open-bucket.ts')
  const { proveConditions } = await import('../clients/s3/index.ts')
  const { bucket, prefix } = openBucket(remote.address, { ...remote.s3 }, LOOK)
  await proveConditions(bucket, prefix)
}

/** Somebody who looks wants to know soon that nobody answers. */
const LOOK: Partial<Patience> = { baseMs: 3000, retryMs: 1500 }
/** The job itself goes on trying, says so, and hears a stop in between. */
const WRITE: Partial<Patience> = { baseMs: 10_000, retryMs: 8000 }

async function openRemote(
  { address, s3 }: NonNullable<StatePlace['remote']>,
  patience: Partial<Patience>,
): Promise<CheckpointLog> {
  const { openBucket } = await import('./open-bucket.ts')
  const { S3Log } = await import('./s3-log.ts')
  const { bucket, prefix } = openBucket(address, { ...s3 }, patience)
  return new S3Log(bucket, prefix)
}

function readOnly(log: Pick<CheckpointLog, 'address' | 'newest' | 'list' | 'read'>): CheckpointLog {
  const refuse = (): never => {
    throw new MillraceError('this log is open for reading only', { code: 'INTERNAL' })
  }
  return {
    address: log.address,
    newest: () => log.newest(),
    list: (from) => log.list(from),
    read: (seq) => log.read(seq),
    append: refuse,
    remove: refuse,
    close: async () => undefined,
  }
}

/**
 * Sockets and records of jobs whose log is elsewhere, by the rules for files that a program keeps about itself.
 *
 * @see https://specifications.freedesktop.org/basedir/latest/
 */
function localHome(): string {
  return join(process.env['XDG_STATE_HOME'] || join(homedir(), '.local', 'state'), 'millrace')
}

/** Two pipelines of the same name may have their logs in different buckets. */
function localName(name: string, address: string): string {
  return `${name}-${createHash('sha256').update(address).digest('hex').slice(0, 8)}`
}
