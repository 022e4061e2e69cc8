import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { ManualClock } from '../clock.ts'
import type { SlsFaultRule } from './faults.ts'
import type { SlsEmulator } from './index.ts'
import { encodeLogGroup, logsIn, splitLogGroupList, type PlainLogGroup } from './log-group.ts'
import type { Logstore } from './logstore.ts'
import { SlsProblem } from './problem.ts'
import type { SlsCredentials } from './settings.ts'

const BODY_BYTES_MAX = 64 * 1024 * 1024

type Body = Readonly<Record<string, unknown>>

/** Lets other processes fill and hurt the emulator; see README.md. Listens on loopback only, without credentials. */
export async function startSlsControl(emulator: SlsEmulator): Promise<{ url: string; close(): Promise<void> }> {
  const server = createServer((request, response) => void serve(emulator, request, response))
  // Whoever fills a logstore may think for long between two calls.
  server.keepAliveTimeout = 600_000
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function serve(emulator: SlsEmulator, request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    const path = (request.url ?? '/').split('?', 1)[0] ?? '/'
    const body = await readBody(request)
    const result = act(emulator, request.method ?? 'GET', path, body)
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(
      JSON.stringify(result ?? {}, (_key, value: unknown) => (typeof value === 'bigint' ? String(value) : value)),
    )
  } catch (error) {
    response.writeHead(error instanceof SlsProblem ? error.status : 500, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ error: (error as Error).message }))
  }
}

function act(emulator: SlsEmulator, method: string, path: string, bytes: Buffer): unknown {
  const [, name, rest = ''] = /^\/logstores\/([^/]+)(\/.*)?$/.exec(path) ?? []
  if (name !== undefined) return actOnLogstore(emulator, `${method} ${rest}`, decodeURIComponent(name), bytes)
  const body = (): Body => jsonOf(bytes)
  const fault = /^\/faults\/(.+)$/.exec(path)?.[1]
  if (method === 'DELETE' && fault !== undefined) return emulator.removeFault(fault)
  switch (`${method} ${path}`) {
    case 'GET /requests':
      return emulator.requests()
    case 'POST /faults':
      return { id: emulator.addFault(body() as unknown as SlsFaultRule) }
    case 'PATCH /settings':
      return Object.assign(emulator.settings, body())
    case 'PUT /credentials':
      emulator.credentials = (body()['credentials'] as SlsCredentials[] | undefined) ?? []
      return undefined
    case 'POST /drop-connections':
      return emulator.dropConnections()
    case 'POST /clock':
      return moveClock(emulator, body()['advanceSeconds'])
    default:
      throw new SlsProblem(404, '', `the control API has no ${method} ${path}`)
  }
}

function actOnLogstore(emulator: SlsEmulator, call: string, name: string, bytes: Buffer): unknown {
  if (call === 'PUT ') return viewOf(emulator.service.create({ name, ...jsonOf(bytes) }))
  const logstore = emulator.service.logstores.get(name)
  if (logstore === undefined) throw new SlsProblem(404, '', `no logstore ${name}`)
  if (call === 'GET ') return viewOf(logstore)
  if (call === 'GET /checkpoints') return checkpointsOf(logstore)
  const [, id = '', verb] = /^POST \/shards\/(\d+)\/(\w+)$/.exec(call) ?? []
  const shard = (): number => Number(id)
  const count = (): number => Number(jsonOf(bytes)['groups'] ?? 1)
  switch (verb) {
    case 'groups': {
      const groups = (jsonOf(bytes)['groups'] ?? []) as PlainLogGroup[]
      return append(emulator, logstore, shard(), groups.map(encodeLogGroup))
    }
    case 'raw':
      return append(
        emulator,
        logstore,
        shard(),
        splitLogGroupList(bytes).map((group) => Buffer.from(group)),
      )
    case 'split':
      logstore.split(shard(), jsonOf(bytes)['key'] as string | undefined)
      return viewOf(logstore)
    case 'merge':
      logstore.merge(shard())
      return viewOf(logstore)
    case 'expire':
      logstore.shard(shard()).expire(count())
      return viewOf(logstore)
    case 'rollback':
      logstore.shard(shard()).rollBack(count())
      return viewOf(logstore)
    case 'drop':
      logstore.drop(shard())
      return viewOf(logstore)
    default:
      throw new SlsProblem(404, '', `the control API has no ${call} of a logstore`)
  }
}

/** Appends to a shard whatever its status: a shard that was just split may still get what was on its way. */
function append(emulator: SlsEmulator, logstore: Logstore, id: number, groups: readonly Buffer[]): { end: string } {
  const shard = logstore.shard(id)
  const receivedAt = Math.floor(emulator.clock.now() / 1000)
  for (const group of groups) shard.append(group, logsIn(group), receivedAt)
  return { end: String(shard.end) }
}

function viewOf({ name, ttlDays, shards }: Logstore): object {
  return {
    name,
    ttlDays,
    shards: shards.map(({ id, status, begin, end, beginKey, endKey, groups }) => {
      const logs = groups.reduce((sum, group) => sum + group.logs, 0)
      return { id, status, begin: String(begin), end: String(end), beginKey, endKey, groups: groups.length, logs }
    }),
  }
}

function checkpointsOf({ groups }: Logstore): object[] {
  return [...groups.values()].flatMap(({ name, checkpoints }) =>
    [...checkpoints].map(([shard, { checkpoint }]) => ({ group: name, shard, checkpoint })),
  )
}

function moveClock({ clock }: SlsEmulator, seconds: unknown): { now: number } {
  if (!(clock instanceof ManualClock)) throw new SlsProblem(409, '', 'the clock of this emulator is not manual')
  if (typeof seconds !== 'number' || seconds < 0) throw new SlsProblem(400, '', 'advanceSeconds must be a number')
  clock.advance(seconds * 1000)
  return { now: clock.now() }
}

function jsonOf(bytes: Buffer): Body {
  if (bytes.length === 0) return {}
  try {
    return JSON.parse(bytes.toString()) as Body
  } catch {
    throw new SlsProblem(400, '', 'the body is not JSON')
  }
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > BODY_BYTES_MAX) throw new SlsProblem(413, '', 'the body is too large')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
