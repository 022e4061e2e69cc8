import { assert } from '../../core/assert.ts'
import { MillraceError } from '../../core/errors.ts'
import type { JsonObject } from '../../core/json.ts'

/*
 * <path>/part-e<epoch>-c<checkpoint>-l<lane>-<k>.<extension>                      what readers see
 * <path>/.millrace/<job>/<sink>/part-e…                                           written, not committed
 *
 * A commit renames a staged file to its final name. So a staged file that is there was never committed, and nobody but
 * a commit of its checkpoint may take it away. In object storage it waits as an upload that is not completed, and its
 * name has a mark of its sink: part-<8 hex digits>-e….
 */

/** Where the rows of a checkpoint go; its text is in the ticket. */
export type FilesTicket = { readonly epoch: number; readonly checkpoint: number }

/** One file that is complete and durable under `staged`, to be renamed to `name`. Both are relative to the sink's path. */
export type FilesCommittable = {
  readonly staged: string
  readonly name: string
  readonly bytes: number
  readonly rows: number
  /** Of object storage: the upload that waits to be completed. */
  readonly token?: JsonObject
}

export function filesTicket(json: JsonObject): FilesTicket {
  const { epoch, checkpoint } = json
  assert(
    typeof epoch === 'number' && typeof checkpoint === 'number',
    'a ticket of the files sink names epoch and checkpoint',
  )
  return { epoch, checkpoint }
}

export function filesCommittable(json: JsonObject): FilesCommittable {
  const { staged, name, bytes, rows, token } = json
  assert(
    typeof staged === 'string' && typeof name === 'string' && typeof bytes === 'number' && typeof rows === 'number',
    'a committable of the files sink names a staged file, its final name, bytes and rows',
  )
  const isPlain = typeof token === 'object' && token !== null && !Array.isArray(token)
  return { staged, name, bytes, rows, ...(isPlain && { token: token as JsonObject }) }
}

/** Directory of what this sink of this job has staged, relative to the sink's path. */
export function stagingDirectory(job: string, sink: string): string {
  return `.millrace/${directoryName(job)}/${directoryName(sink)}`
}

/** Epoch and checkpoint never name two things, so neither do these names. */
export function fileName(
  { epoch, checkpoint }: FilesTicket,
  file: { readonly prefix: string; readonly lane: number; readonly number: number; readonly extension: string },
): string {
  return `part-${file.prefix}e${epoch}-c${checkpoint}-l${file.lane}-${file.number}.${file.extension}`
}

/** The epoch that wrote a file, staged or committed, or `undefined` for a file that is not ours. */
export function epochOfStaged(name: string): number | undefined {
  const match = /^part-(?:[0-9a-f]{8}-)?e(\d+)-c\d+-l\d+-\d+\./.exec(name)
  return match === null ? undefined : Number(match[1])
}

/** A failed file call of this sink. The rows are still in the source: the checkpoint is thrown away and tried again. */
export function writeError(doing: string, thrown: unknown): MillraceError {
  if (thrown instanceof MillraceError) return thrown
  const code = systemCodeOf(thrown) ?? 'unknown error'
  const isDenied = code === 'EACCES' || code === 'EPERM' || code === 'EROFS'
  const hint =
    code === 'ENOSPC' ? '; free space on the disk' : isDenied ? '; give this user the right to write there' : ''
  return new MillraceError(`${doing} failed with ${code}${hint}`, {
    code: isDenied ? 'AUTH' : 'UNAVAILABLE',
    retry: isDenied ? 'halt' : 'restart',
    cause: thrown,
  })
}

export function systemCodeOf(thrown: unknown): string | undefined {
  return thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string' ? thrown.code : undefined
}

/** One path part for any id: what is not plain is written in percent. */
function directoryName(id: string): string {
  return encodeURIComponent(id).replaceAll('.', '%2E')
}
