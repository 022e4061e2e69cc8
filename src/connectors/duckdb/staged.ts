import { assert } from '../../core/assert.ts'
import type { JsonObject } from '../../core/json.ts'

/*
 * clicks.duckdb                                        the database, which readers open
 * clicks.duckdb.millrace/<job>/<sink>/e3-c7-l0.parquet rows of a lane for a checkpoint, until they are applied
 *
 * Epoch and checkpoint never name two things, so neither do these names.
 */

export type DuckdbTicket = { readonly epoch: number; readonly checkpoint: number }

/** Rows of one lane. */
export type StagedPart = { readonly name: string; readonly rows: number; readonly bytes: number }

/** Everything that a checkpoint puts into the table. */
export type DuckdbCommittable = DuckdbTicket & { readonly parts: readonly StagedPart[] }

export function ticketOf({ epoch, checkpoint }: JsonObject): DuckdbTicket {
  assert(
    typeof epoch === 'number' && typeof checkpoint === 'number',
    'a ticket of this sink names epoch and checkpoint',
  )
  return { epoch, checkpoint }
}

export function committableOf(json: JsonObject): DuckdbCommittable {
  const { parts } = json
  assert(Array.isArray(parts), 'a committable of this sink names its files')
  return { ...ticketOf(json), parts: parts.map((part) => partOf(part as JsonObject)) }
}

function partOf({ name, rows, bytes }: JsonObject): StagedPart {
  assert(
    typeof name === 'string' && typeof rows === 'number' && typeof bytes === 'number',
    'a file of a committable has a name, rows and bytes',
  )
  return { name, rows, bytes }
}

export function stagingFolder(database: string, job: string, sink: string): string {
  const safe = (id: string): string => encodeURIComponent(id).replaceAll('.', '%2E')
  return `${database}.millrace/${safe(job)}/${safe(sink)}`
}

export function stagedName({ epoch, checkpoint }: DuckdbTicket, lane: number): string {
  return `e${epoch}-c${checkpoint}-l${lane}.parquet`
}

/** The epoch that wrote a staged file; `undefined` for what is not ours. */
export function epochOf(name: string): number | undefined {
  const [, epoch] = /^e(\d+)-c\d+-l\d+\.parquet$/.exec(name) ?? []
  return epoch === undefined ? undefined : Number(epoch)
}
