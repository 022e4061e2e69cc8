import type { Clock, Logger } from '../../core/context.ts'
import { MillraceError } from '../../core/errors.ts'
import {
  addToPublication,
  createPublication,
  createSlot,
  mayAddToPublication,
  quoteName,
  readPublication,
  readSlot,
  type Lsn,
  type PgConnection,
  type PgTable,
  type Publication,
} from '../../clients/postgres-replication/index.ts'
import { lost } from './lost.ts'
import type { Names } from './names.ts'
import { Settling } from './settling.ts'

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

/** Whether updates and deletes of a table can be told: where they cannot, publishing it makes them fail. */
export function isTellable({ identity, key }: PgTable): boolean {
  return identity === 'f' || identity === 'i' || (identity === 'd' && key.length > 0)
}

/** Why a table that came after the first start is not read, and what helps; undefined where it may be added. */
export async function whyNotAdded(
  connection: PgConnection,
  publication: string,
  table: PgTable,
): Promise<{ readonly message: string; readonly hint: string } | undefined> {
  const name = `${table.schema}.${table.name}`
  const message = `nothing is read of ${name}, which publication ${publication} does not contain`
  const quoted = `${quoteName(table.schema)}.${quoteName(table.name)}`
  if (!isTellable(table)) {
    const hint = `Give it a primary key, or ALTER TABLE ${quoted} REPLICA IDENTITY FULL: as it is, its updates and deletes would fail.`
    return { message: `${message}: it has no replica identity`, hint }
  }
  if (await mayAddToPublication(connection, publication, table.oid)) return undefined
  const hint = `ALTER PUBLICATION ${quoteName(publication)} ADD TABLE ${quoted}; its rows and changes are read then.`
  return { message: `${message}: this user does not own both`, hint }
}

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

/** Waits until a snapshot sees everything that the slot does not have. */
export async function settle(
  connection: PgConnection,
  { clock, log }: { readonly clock: Clock; readonly log: Logger },
): Promise<void> {
  const settling = new Settling()
  for (let looks = 0; !(await settling.isOver(connection)); looks++) {
    if (looks === 20) log.info('waiting for transactions to end that were open when the slot was made')
    await clock.sleep(SETTLE_MS)
  }
}
