import type { Clock, Logger } from '../../core/context.ts'
import { MillraceError } from '../../core/errors.ts'
import {
  addToPublication,
  createPublication,
  createSlot,
  readPublication,
  readSlot,
  Snapshot,
  type Lsn,
  type PgConnection,
  type PgTable,
  type Publication,
} from '../../clients/postgres-replication/index.ts'
import { lost } from './lost.ts'
import type { Names } from './names.ts'

const SETTLE_MS = 50

/** Sees to it that the publication lets everything of some tables out. */
export async function ensurePublication(
  connection: PgConnection,
  name: string,
  tables: readonly PgTable[],
): Promise<void> {
  const there = await readPublication(connection, name)
  if (there === undefined) return await createPublication(connection, name, tables)
  const left = there.isForAllTables ? [] : tables.filter((table) => !publishes(there, table))
  if (left.length > 0) await addToPublication(connection, name, left)
  const now = await readPublication(connection, name)
  for (const table of tables) {
    const problem = now === undefined ? `publication ${name} is gone again` : publicationProblem(name, now, table)
    if (problem !== undefined) throw new MillraceError(problem, { code: 'CONFIG' })
  }
}

function publishes(publication: Publication, { schema, name }: PgTable): boolean {
  return publication.tables.some((table) => table.schema === schema && table.name === name)
}

/** Tables that a publication has nothing of. */
export function notPublished(publication: Publication | undefined, tables: readonly PgTable[]): readonly PgTable[] {
  if (publication === undefined || publication.isForAllTables) return []
  return tables.filter((table) => !publishes(publication, table))
}

/** Tables came after the first start: they are not taken in by themselves, since nobody has read their rows. */
export function notFollowed(publication: string, tables: readonly PgTable[]): string {
  const names = tables.map(({ schema, name }) => `${schema}.${name}`).join(', ')
  return `nothing is read of ${names}: publication ${publication} was made before, and does not contain them`
}

export const NOT_FOLLOWED_HINT =
  'ALTER PUBLICATION … ADD TABLE lets their changes in from then on, without the rows that are there; a pipeline of their own reads those, too.'

/** Why a publication does not give what a table holds; undefined when it does. */
export function publicationProblem(name: string, publication: Publication, table: PgTable): string | undefined {
  const { missing } = publication
  if (missing.length > 0) return `publication ${name} does not publish ${missing.join(' and ')}`
  const published = publication.tables.find((one) => one.schema === table.schema && one.name === table.name)
  const what = `${table.schema}.${table.name}`
  if (published === undefined) {
    const why = table.isPartitioned ? ': it needs publish_via_partition_root = true' : ''
    return `publication ${name} does not contain ${what}${why}`
  }
  if (published.hasRowFilter) {
    return `publication ${name} filters the rows of ${what}: rows would be left out of the changes and not of the initial read. Use a filter step`
  }
  const left = table.columns.filter(({ name: column }) => published.columns?.includes(column) === false)
  if (left.length === 0) return undefined
  return `publication ${name} leaves columns of ${what} out: ${left.map(({ name: column }) => column).join(', ')}`
}

/** Finds the slot, or makes it, and returns where it begins. */
export async function ensureSlot(connection: PgConnection, names: Names, log: Logger): Promise<Lsn> {
  const there = await readSlot(connection, names.slot)
  if (there === undefined) {
    log.info(
      `making replication slot ${names.slot}: it keeps the server's log for this pipeline, and waits for open transactions`,
    )
    return await createSlot(connection, names.slot)
  }
  const what = `replication slot ${names.slot}`
  if (there.plugin !== 'pgoutput') {
    throw new MillraceError(`${what} has the output plugin ${there.plugin}, not pgoutput`, { code: 'CONFIG' })
  }
  if (there.walStatus === 'lost' || there.confirmed === undefined) {
    throw lost(what, 'it is of no use any more: drop it (SELECT pg_drop_replication_slot), and it is made again')
  }
  return there.confirmed
}

/**
 * Waits until every transaction has ended that ran when the slot began. One of them may have written its commit before
 * that, and not be seen by others yet: it would be missing in the slot and in a snapshot that is taken now.
 */
export async function settle(
  connection: PgConnection,
  { clock, log }: { readonly clock: Clock; readonly log: Logger },
): Promise<void> {
  const current = async (): Promise<Snapshot> => {
    const [row] = await connection.query('SELECT pg_catalog.pg_current_snapshot()', 'taking a snapshot')
    return new Snapshot(row?.[0] ?? '')
  }
  const { xmax } = await current()
  for (let looks = 0; (await current()).xmin < xmax; looks++) {
    if (looks === 20) log.info('waiting for transactions to end that were open when the slot was made')
    await clock.sleep(SETTLE_MS)
  }
}
