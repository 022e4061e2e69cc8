import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { pipeline } from 'node:stream/promises'
import { Readable } from 'node:stream'
import { ManualClock } from './clock.ts'
import type { Cluster } from './cluster.ts'
import type { FaultRule } from './faults.ts'
import type { EmulatorTable } from './options.ts'

/** Largest request body: a table definition or a fault rule. */
const BODY_BYTES_MAX = 1024 * 1024

/** Something the caller has to mend; becomes a reply with this status. */
class BadRequest extends Error {
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

/** Serves what `Emulator` offers to other processes; see README.md. Listens on loopback only. */
export async function startControlApi(cluster: Cluster): Promise<{ url: string; close(): Promise<void> }> {
  const server = createServer((request, response) => void serve(cluster, request, response))
  // Clients end idle connections sooner. Who asks just when the server closes gets no answer, as a slow machine showed.
  server.keepAliveTimeout = 600_000
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function serve(cluster: Cluster, request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    const path = (request.url ?? '/').split('?', 1)[0] ?? '/'
    const rows = /^\/tables\/([^/]+)\/([^/]+)\/rows$/.exec(path)
    if (rows !== null && request.method === 'GET') {
      const table = tableOf(cluster, rows)
      response.writeHead(200, { 'Content-Type': 'application/x-ndjson' })
      await pipeline(Readable.from(table.encodedRows()), response)
      return
    }
    const result = await act(cluster, `${request.method} ${path}`, await readJson(request))
    response.writeHead(200, { 'Content-Type': 'application/json' })
    response.end(JSON.stringify(result ?? {}))
  } catch (error) {
    if (response.headersSent) return void response.destroy()
    response.writeHead(error instanceof BadRequest ? error.status : 500, { 'Content-Type': 'application/json' })
    response.end(JSON.stringify({ error: error instanceof Error ? error.message : String(error) }))
  }
}

async function act(cluster: Cluster, call: string, body: Record<string, unknown>): Promise<unknown> {
  const on = (pattern: RegExp): RegExpExecArray | null => pattern.exec(call)
  switch (call) {
    case 'GET /tables':
      return cluster.tables.map(({ definition, rowCount }) => ({ ...definition, rowCount }))
    case 'GET /transactions':
      return cluster.transactionViews()
    case 'GET /requests':
      return cluster.requests()
    case 'POST /faults':
      return { id: cluster.faults.add({ ...body, match: body['match'] ?? {} } as unknown as FaultRule) }
    case 'POST /restart-frontend':
      return cluster.restartFrontend()
    case 'POST /switch-leader':
      return cluster.switchLeader()
    case 'PATCH /settings':
      return Object.assign(cluster.settings, body)
    case 'POST /clock':
      return moveClock(cluster, body['advanceSeconds'])
  }
  const count = on(/^GET \/tables\/([^/]+)\/([^/]+)\/count$/)
  if (count !== null) return { count: tableOf(cluster, count).rowCount }
  const definition = on(/^PUT \/tables\/([^/]+)\/([^/]+)$/)
  if (definition !== null) return cluster.createTable(tableDefinition(body, definition))
  const fault = on(/^DELETE \/faults\/([^/]+)$/)
  if (fault !== null) return cluster.faults.remove(fault[1] ?? '')
  const restarted = on(/^POST \/restart-backend\/(\d+)$/)
  if (restarted !== null) return cluster.restartBackend(Number(restarted[1]))
  const killed = on(/^POST \/kill-backend\/(\d+)$/)
  if (killed !== null) return cluster.killBackend(Number(killed[1]))
  throw new BadRequest(404, `the control API has no ${call}`)
}

function tableOf(cluster: Cluster, match: RegExpExecArray): Cluster['tables'][number] {
  const [, database = '', name = ''] = match
  const table = cluster.table(decodeURIComponent(database), decodeURIComponent(name))
  if (table === undefined) throw new BadRequest(404, `no table ${database}.${name}`)
  return table
}

function tableDefinition(body: Record<string, unknown>, match: RegExpExecArray): EmulatorTable {
  if (!Array.isArray(body['columns'])) throw new BadRequest(400, 'a table definition needs columns')
  const [, database = '', table = ''] = match
  const definition = {
    model: 'duplicate',
    ...body,
    database: decodeURIComponent(database),
    table: decodeURIComponent(table),
  }
  return definition as unknown as EmulatorTable
}

function moveClock(cluster: Cluster, seconds: unknown): { now: number } {
  if (!(cluster.clock instanceof ManualClock)) throw new BadRequest(409, 'the clock of this emulator is not manual')
  if (typeof seconds !== 'number' || seconds < 0) throw new BadRequest(400, 'advanceSeconds must be a number')
  cluster.clock.advance(seconds * 1000)
  return { now: cluster.clock.now() }
}

async function readJson(request: IncomingMessage): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > BODY_BYTES_MAX) throw new BadRequest(413, 'the body is too large')
    chunks.push(chunk)
  }
  const text = Buffer.concat(chunks).toString()
  if (text.trim() === '') return {}
  try {
    return JSON.parse(text) as Record<string, unknown>
  } catch {
    throw new BadRequest(400, 'the body is not JSON')
  }
}
