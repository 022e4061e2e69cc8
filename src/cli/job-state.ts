import { existsSync, statSync } from 'node:fs'
import { realpath } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { foldLineage, type Lineage } from '../checkpoint/lineage.ts'
import type { LogEntry } from '../checkpoint/entries.ts'
import { MillraceError } from '../core/errors.ts'
import { s3 } from '../core/options.ts'
import { interpolate } from '../plan/interpolate.ts'
import { parseFile } from '../plan/parse-file.ts'
import { Ledger } from '../storage/ledger.ts'
import { isS3Address } from '../storage/open-store.ts'
import { openLogReader, statePlaceOf, type StatePlace } from '../storage/state-place.ts'

/** Where the state of a job is, for verbs that look at it from outside. */
export type JobPlace = StatePlace

/**
 * The job that a pipeline file or a state directory names. Only name and place are read from the file, so that this works
 * without its secrets and in a fraction of the time that a plan takes.
 */
export async function findJob(fileOrDirectory: string): Promise<JobPlace> {
  const path = resolve(fileOrDirectory)
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) {
    if (existsSync(join(path, 'log'))) return { name: basename(path), directory: path }
    throw new MillraceError(
      `${fileOrDirectory} is not the state directory of a pipeline (those are <checkpoint.storage>/<name>)`,
      {
        code: 'CONFIG',
      },
    )
  }
  const parsed = await parseFile(fileOrDirectory)
  const [mistake] = parsed.findings
  if (parsed.value === undefined) {
    throw new MillraceError(`${fileOrDirectory}: ${mistake?.message ?? 'cannot be read'}`, { code: 'CONFIG' })
  }
  const { value } = interpolate(parsed.value, process.env)
  const checkpoint = value['checkpoint'] as { readonly storage?: unknown } | undefined
  const storage = checkpoint?.storage ?? './.millrace'
  const name = value['name']
  if (typeof name !== 'string' || name === '' || typeof storage !== 'string') {
    throw new MillraceError(`${fileOrDirectory} does not tell its name: millrace check ${fileOrDirectory}`, {
      code: 'CONFIG',
    })
  }
  if (isS3Address(storage))
    return statePlaceOf({ name, storage, s3: s3().optional().catch(undefined).parse(value['s3']) })
  const base = await realpath(dirname(path))
  return statePlaceOf({ name, storage: resolve(base, storage) })
}

/** The checkpoint log as it is. Claims nothing, and a job that never ran leaves no trace of being looked at. */
export async function readState(place: JobPlace): Promise<{ entries: readonly LogEntry[]; lineage: Lineage }> {
  const log = await openLogReader(place)
  const entries = log === undefined ? [] : await Ledger.read(log)
  return { entries, lineage: foldLineage(entries) }
}
