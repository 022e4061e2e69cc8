import { createHash } from 'node:crypto'
import type { AddressInfo, Server as NetServer } from 'node:net'
import mysql from 'mysql2'
import type { Cluster } from '../cluster.ts'
import type { TableStore } from '../table.ts'
import { parseChange, SyntaxTrouble, type Change } from './ddl.ts'
import { alterTable } from './alter-table.ts'
import { answerSelect, type TextResult } from './select.ts'
import { describeTable, SchemaJobs } from './show.ts'

const PROTOCOL_VERSION = 10
const UTF8MB4_GENERAL_CI = 45
const AUTOCOMMIT = 2
/** LONG_PASSWORD, LONG_FLAG, CONNECT_WITH_DB, PROTOCOL_41, TRANSACTIONS, SECURE_CONNECTION. */
const CAPABILITIES = 0x1 | 0x4 | 0x8 | 0x200 | 0x2000 | 0x8000
const ER_ACCESS_DENIED = 1045
const ER_PARSE = 1064
const COLUMN_TYPES: Readonly<Record<string, number>> = {
  TINYINT: 1,
  SMALLINT: 2,
  INTEGER: 3,
  FLOAT: 4,
  DOUBLE: 5,
  BIGINT: 8,
}
const VAR_STRING = 253

interface Authentication {
  readonly user: string
  readonly database: string | undefined
  readonly authPluginData1: Buffer
  readonly authPluginData2: Buffer
  readonly authToken: Buffer
}

interface Served {
  readonly cluster: Cluster
  readonly jobs: SchemaJobs
}

export interface QueryPort {
  readonly port: number
  close(): Promise<void>
}

/**
 * The frontend's port of the MySQL protocol, for looking into tables with any client and for creating them: SELECT (run
 * by DuckDB), DESC, SHOW DATABASES, TABLES and ALTER TABLE COLUMN, CREATE and DROP of databases and tables, ALTER of
 * columns, TRUNCATE. Everything else is refused, saying so.
 */
export async function startQueryPort(cluster: Cluster, host: string, port = 0): Promise<QueryPort> {
  const open = new Set<mysql.Connection>()
  const jobs = new SchemaJobs()
  let served = 0
  const server = mysql.createServer((connection) => {
    open.add(connection)
    connection.on('end', () => open.delete(connection))
    connection.on('error', () => open.delete(connection))
    serve({ cluster, jobs }, connection, ++served)
  })
  // The library keeps the listening socket to itself; there is no other way to its port or its errors.
  const socket = (server as unknown as { readonly _server: NetServer })._server
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject)
    socket.listen(port, host, resolve)
  })
  return {
    port: (socket.address() as AddressInfo).port,
    close: () =>
      new Promise<void>((resolve) => {
        socket.close(() => resolve())
        for (const connection of open) connection.destroy()
      }),
  }
}

/** Packets are numbered anew for every command (`sequenceId`); the library leaves that to its user. */
function serve(served: Served, connection: mysql.Connection, connectionId: number): void {
  const { cluster } = served
  let database: string | undefined
  connection.serverHandshake({
    protocolVersion: PROTOCOL_VERSION,
    serverVersion: '5.1.0',
    connectionId,
    statusFlags: AUTOCOMMIT,
    characterSet: UTF8MB4_GENERAL_CI,
    capabilityFlags: CAPABILITIES,
    authCallback: (who: Authentication, done: (error: null, refused?: { message: string; code: number }) => void) => {
      database = who.database === '' ? undefined : who.database
      if (isAllowed(cluster, who)) done(null)
      else done(null, { code: ER_ACCESS_DENIED, message: `Access denied for user '${who.user}' (using password: YES)` })
      connection.sequenceId = 0
    },
  })
  // One answer after the other, in the order of the questions.
  let last = Promise.resolve()
  const answer = (text: string): void => {
    last = last.then(async () => {
      try {
        const used = /^\s*USE\s+`?(\w+)`?\s*;?\s*$/i.exec(text)?.[1]
        if (used !== undefined) database = used
        const result = used === undefined ? await act(served, text, database) : undefined
        if (result === undefined) connection.writeOk({ affectedRows: 0 })
        else writeResult(connection, result)
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error)
        connection.writeError({ code: ER_PARSE, message })
      }
      connection.sequenceId = 0
    })
  }
  connection.on('query', answer)
  // The library takes SET for the preparing of a statement.
  connection.on('stmt_prepare', answer)
  connection.on('init_db', (name: string) => {
    database = name
    connection.writeOk({ affectedRows: 0 })
    connection.sequenceId = 0
  })
}

/** mysql_native_password: token = SHA1(password) XOR SHA1(scramble + SHA1(SHA1(password))). */
function isAllowed(cluster: Cluster, who: Authentication): boolean {
  const { username, password } = cluster.account
  if (who.user !== username) return false
  const token = Buffer.from(who.authToken)
  if (password === '') return token.length === 0
  const sha1 = (...parts: readonly Uint8Array[]): Buffer =>
    parts.reduce((hash, part) => hash.update(part), createHash('sha1')).digest()
  const stage1 = sha1(Buffer.from(password))
  const mask = sha1(who.authPluginData1, who.authPluginData2.subarray(0, 12), sha1(stage1))
  return token.length === 20 && token.equals(stage1.map((byte, index) => byte ^ (mask[index] ?? 0)))
}

async function act(
  { cluster, jobs }: Served,
  text: string,
  database: string | undefined,
): Promise<TextResult | undefined> {
  if (/^\s*SET\s/i.test(text)) return undefined
  const change = parseChange(text, database)
  if (change !== undefined) {
    apply(cluster, jobs, change)
    return undefined
  }
  if (/^\s*SHOW\s+DATABASES\b/i.test(text)) return list('Database', cluster.databases)
  if (/^\s*SHOW\s+BACKENDS\b/i.test(text)) return list('BackendId', cluster.backends)
  const tables = /^\s*SHOW\s+TABLES(?:\s+FROM\s+`?([^`\s;]+)`?)?/i.exec(text)
  if (tables !== null) {
    const of = tables[1] ?? database ?? ''
    if (!cluster.databases.includes(of)) throw new SyntaxTrouble(`Unknown database '${of}'`)
    const own = cluster.tables.filter(({ definition }) => definition.database === of)
    return list(
      `Tables_in_${of}`,
      own.map(({ definition }) => definition.table),
    )
  }
  const described = /^\s*DESC(?:RIBE)?\s+(?:`?([^`.\s]+)`?\.)?`?([^`.\s;]+)`?\s*;?\s*$/i.exec(text)
  if (described !== null) {
    const [, of = database ?? '', name = ''] = described
    const store = cluster.table(of, name)
    if (store === undefined) throw new SyntaxTrouble(`Unknown table '${of}.${name}'`)
    return describeTable(store)
  }
  const asked =
    /^\s*SHOW\s+ALTER\s+TABLE\s+COLUMN\s+FROM\s+`?([^`\s]+)`?\s+WHERE\s+TableName\s*=\s*["']([^"']+)["']/i.exec(text)
  if (asked !== null) return jobs.show(`${asked[1] ?? ''}.${asked[2] ?? ''}`)
  if (!/^\s*(SELECT|WITH)\b/i.test(text)) {
    throw new SyntaxTrouble(
      'the emulator answers SELECT, SHOW, DESC, CREATE, ALTER, TRUNCATE and DROP of databases and tables',
    )
  }
  return await answerSelect(text, cluster.tables, database)
}

function apply(cluster: Cluster, jobs: SchemaJobs, change: Change): void {
  switch (change.kind) {
    case 'create-database':
      cluster.createDatabase(change.database)
      break
    case 'drop-database':
      cluster.dropDatabase(change.database)
      break
    case 'drop-table':
      cluster.dropTable(change.database, change.table)
      break
    case 'truncate-table':
      storeOf(cluster, change).truncate()
      break
    case 'alter-table':
      alterTable(storeOf(cluster, change), change.change)
      // Columns come and go by a change of the catalog; another type is a job that rewrites the table.
      if (change.change.kind === 'modify') jobs.begin(`${change.database}.${change.table}`)
      break
    case 'create-table': {
      const { definition, isOptional } = change
      const isThere = cluster.table(definition.database, definition.table) !== undefined
      if (isThere && !isOptional) throw new SyntaxTrouble(`Table '${definition.table}' already exists`)
      if (!isThere) cluster.createTable(definition)
      break
    }
  }
}

function storeOf(cluster: Cluster, { database, table }: { database: string; table: string }): TableStore {
  const store = cluster.table(database, table)
  if (store === undefined) throw new SyntaxTrouble(`Unknown table '${database}.${table}'`)
  return store
}

function list(name: string, values: readonly string[]): TextResult {
  return { columns: [{ name, type: 'VARCHAR' }], rows: values.map((value) => [value]) }
}

/** Writers of results that the library's types leave out. */
interface ResultWriter {
  writeColumns(columns: readonly object[]): void
  writeTextRow(row: readonly (string | null)[]): void
}

function writeResult(connection: mysql.Connection, result: TextResult): void {
  const writer = connection as unknown as ResultWriter
  const blank = { catalog: 'def', schema: '', table: '', orgTable: '' }
  writer.writeColumns(
    result.columns.map(({ name, type }) => ({
      ...blank,
      name,
      orgName: name,
      characterSet: UTF8MB4_GENERAL_CI,
      columnLength: 0xffff,
      columnType: COLUMN_TYPES[type] ?? VAR_STRING,
      flags: 0,
      decimals: 0,
    })),
  )
  for (const row of result.rows) writer.writeTextRow(row)
  connection.writeEof()
}
