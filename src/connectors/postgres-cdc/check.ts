import type { Finding } from '../../core/checkpoint-types.ts'
import type { PreflightContext } from '../../core/context.ts'
import { toMillraceError } from '../../core/errors.ts'
import {
  readPublication,
  readSlot,
  TypeCatalog,
  type PgConnection,
  type PgTable,
} from '../../clients/postgres-replication/index.ts'
import { connect } from './connect.ts'
import { namesOf, type Names } from './names.ts'
import type { PostgresCdcOptions } from './options.ts'
import { wantedTables } from './wanted-tables.ts'
import { isTellable, notPublished, publicationProblem, whyNotAdded } from './prepare.ts'

const GIB = 1024 ** 3

/** Reachability, rights, settings of the server, and whether updates and deletes of the table can be told at all. */
export async function checkPostgres(
  options: PostgresCdcOptions,
  context: PreflightContext,
): Promise<readonly Finding[]> {
  const names = namesOf(options, context)
  try {
    await using connection = await connect(options, names.application)
    const tables = await wantedTables(connection, new TypeCatalog(), options)
    const findings: Finding[] = []
    const later = options.end === 'snapshot' ? [] : await laterTables(connection, names, tables)
    for (const table of tables) {
      findings.push(...(await readable(connection, table)))
      if (!later.includes(table)) findings.push(...identityFindings(table))
    }
    if (options.end === 'snapshot') return findings
    for (const table of later) findings.push(...(await laterFindings(connection, names, table)))
    return [...findings, ...(await serverFindings(connection)), ...(await slotFindings(connection, names, tables))]
  } catch (thrown) {
    const error = toMillraceError(thrown)
    return [{ severity: 'error', code: error.code, message: error.message, hint: error.remedy, path: ['url'] }]
  }
}

async function readable(connection: PgConnection, { oid, schema, name }: PgTable): Promise<Finding[]> {
  const [row] = await connection.query(
    `SELECT pg_catalog.has_table_privilege(${oid}, 'SELECT')`,
    `asking for the right to read ${schema}.${name}`,
  )
  if (row?.[0] === 't') return []
  const message = `this user must not read ${schema}.${name}`
  const hint = `GRANT SELECT ON ${schema}.${name} TO …`
  return [{ severity: 'error', code: 'AUTH', message, hint, path: ['table'] }]
}

function identityFindings(table: PgTable): Finding[] {
  const { schema, name, key } = table
  const what = `${schema}.${name}`
  if (!isTellable(table)) {
    const message = `${what} has no replica identity: once it is published, its updates and deletes fail`
    const hint = `Give it a primary key, or ALTER TABLE ${what} REPLICA IDENTITY FULL.`
    return [{ severity: 'error', code: 'PREFLIGHT', message, hint, path: ['table'] }]
  }
  if (key.length > 0) return []
  const message = `${what} has no primary key: the initial read is one part, which begins anew after a crash`
  return [{ severity: 'warning', code: 'PREFLIGHT', message, path: ['table'] }]
}

/** Tables that came after the first start and are not published. */
async function laterTables(
  connection: PgConnection,
  { slot, publication }: Names,
  tables: readonly PgTable[],
): Promise<readonly PgTable[]> {
  if ((await readSlot(connection, slot)) === undefined) return []
  return notPublished(await readPublication(connection, publication), tables)
}

async function laterFindings(connection: PgConnection, { publication }: Names, table: PgTable): Promise<Finding[]> {
  const why = await whyNotAdded(connection, publication, table)
  return why === undefined ? [] : [{ severity: 'warning', code: 'CONFIG', ...why, path: ['tables'] }]
}

async function serverFindings(connection: PgConnection): Promise<Finding[]> {
  const [row] = await connection.query(
    `SELECT current_setting('wal_level'), current_setting('server_version_num')::int,
            (SELECT setting::bigint FROM pg_catalog.pg_settings WHERE name = 'max_slot_wal_keep_size'),
            (SELECT rolreplication OR rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user),
            pg_catalog.pg_is_in_recovery()`,
    'asking for settings of the server',
  )
  const [level, version, keepMiB, canReplicate, isStandby] = row ?? []
  const findings: Finding[] = []
  const refuse = (message: string, hint: string, code = 'PREFLIGHT'): void => {
    findings.push({ severity: 'error', code, message, hint, path: ['url'] })
  }
  if (level !== 'logical') refuse(`wal_level is ${level}`, 'Set wal_level = logical and restart the server.')
  if (Number(version) < 130_000) refuse('the server is older than PostgreSQL 13', 'Upgrade it.')
  if (canReplicate !== 't') refuse('the user must not replicate', 'ALTER USER … REPLICATION', 'AUTH')
  if (isStandby === 't') refuse('the server is a standby', 'Point `url` at the primary.')
  const limit = Number(keepMiB)
  const message =
    limit < 0
      ? 'the slot keeps the server’s log without a limit: while this pipeline stands still, the server’s disk fills'
      : `the slot is lost when the pipeline falls ${((limit * 1024 * 1024) / GIB).toFixed(1)} GiB of log behind`
  findings.push({ severity: 'info', code: 'PREFLIGHT', message: `${message} (max_slot_wal_keep_size)`, path: ['slot'] })
  return findings
}

async function slotFindings(connection: PgConnection, names: Names, tables: readonly PgTable[]): Promise<Finding[]> {
  const findings: Finding[] = []
  const publication = await readPublication(connection, names.publication)
  for (const table of publication === undefined ? [] : tables) {
    const isContained = publication?.tables.some(({ schema, name }) => schema === table.schema && name === table.name)
    if (publication === undefined || (isContained !== true && publication.missing.length === 0)) continue
    const message = publicationProblem(names.publication, publication, table)
    if (message !== undefined) findings.push({ severity: 'error', code: 'CONFIG', message, path: ['publication'] })
  }
  const slot = await readSlot(connection, names.slot)
  if (slot?.walStatus === 'lost') {
    const message = `replication slot ${names.slot} is lost: the server gave up the log that it needs`
    const hint = 'Drop it, and begin anew under another `name`.'
    findings.push({ severity: 'error', code: 'POSITION_LOST', message, hint, path: ['slot'] })
  }
  return findings
}
