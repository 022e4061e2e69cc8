import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import type { EmulatorTable } from './options.ts'
import { startDorisEmulator } from './doris/index.ts'
import { startStarRocksEmulator } from './starrocks/index.ts'

/*
 * What the official Flink connectors send (flink-connector-starrocks 1.2.10, flink-doris-connector 25.0.0, both with
 * Apache HttpClient 4.5.13), byte for byte: every request on a socket of its own, credentials on the first request and
 * again after each redirect, lower-case header names, the body only after `100 Continue`.
 */

const TABLE: EmulatorTable = {
  database: 'peer',
  table: 'ev',
  model: 'duplicate',
  columns: [
    { name: 'id', type: 'BIGINT' },
    { name: 'ts', type: 'DATETIME(3)' },
    { name: 'user_id', type: 'BIGINT' },
    { name: 'event', type: 'VARCHAR(20)' },
    { name: 'page', type: 'VARCHAR(50)' },
    { name: 'amount', type: 'DECIMAL(12,2)' },
    { name: 'note', type: 'VARCHAR(100)' },
  ],
}

const CLIENT = [
  'Connection: Keep-Alive',
  'User-Agent: Apache-HttpClient/4.5.13 (Java/17)',
  'Accept-Encoding: gzip,deflate',
]
const BASIC = `Authorization: Basic ${btoa('root:')}`

interface Answer {
  readonly status: number
  readonly location: string | undefined
  readonly json: Record<string, unknown>
}

/** A request under way: its head is sent, its body may follow. */
class Wire {
  readonly socket: Socket
  #text = ''

  constructor(address: string, head: readonly string[]) {
    const [host = '', port = ''] = address.split(':')
    this.socket = connect(Number(port), host)
    this.socket.on('data', (chunk) => (this.#text += chunk.toString()))
    this.socket.write(`${[head[0], `Host: ${address}`, ...head.slice(1), ...CLIENT].join('\r\n')}\r\n\r\n`)
  }

  /** The final reply, or `undefined` for a `100 Continue`. */
  async answer(): Promise<Answer | undefined> {
    for (;;) {
      if (this.#text.startsWith('HTTP/1.1 100')) {
        this.#text = this.#text.slice(this.#text.indexOf('\r\n\r\n') + 4)
        return undefined
      }
      const end = this.#text.indexOf('\r\n\r\n')
      const length = Number(/content-length: (\d+)/i.exec(this.#text)?.[1] ?? 0)
      if (end > 0 && this.#text.length >= end + 4 + length) break
      await once(this.socket, 'data')
    }
    this.socket.destroy()
    const [head = '', body = ''] = this.#text.split(/\r\n\r\n(.*)/s)
    const isJson = body.startsWith('{')
    return {
      status: Number(head.slice(9, 12)),
      location: /^location: (.*)$/im.exec(head)?.[1],
      json: isJson ? (JSON.parse(body) as Record<string, unknown>) : {},
    }
  }
}

async function ask(address: string, head: readonly string[]): Promise<Answer> {
  const answer = await new Wire(address, head).answer()
  assert.ok(answer !== undefined)
  return answer
}

/** One call by way of the frontend's 307; `Content-Length` is left out at the backend when there is no body. */
async function call(frontend: string, head: readonly string[], bodies: readonly string[] = []): Promise<Answer> {
  const first = await ask(frontend, [...head, BASIC])
  if (first.status !== 307) return first
  const location = new URL(String(first.location))
  const isEmptyPost = head[0]?.startsWith('POST') === true
  const wire = new Wire(location.host, [...head.filter((line) => !isEmptyPost || line !== 'Content-Length: 0'), BASIC])
  const early = await wire.answer()
  if (early !== undefined) return early
  for (const body of bodies) wire.socket.write(body)
  const final = await wire.answer()
  assert.ok(final !== undefined)
  return final
}

test('the StarRocks connector gets the replies it needs, also after a restore', async () => {
  await using emulator = await startStarRocksEmulator({ tables: [TABLE] })
  const frontend = new URL(String(emulator.urls[0])).host
  // A probe of the port that sends nothing.
  connect(Number(frontend.split(':')[1]), '127.0.0.1').end()
  const operation = (name: string, label: string, more: readonly string[] = ['Content-Length: 0']): string[] => [
    `POST /api/transaction/${name} HTTP/1.1`,
    ...['db: peer', 'table: ev', `label: ${label}`, ...more],
  ]
  const probe = await ask(frontend, ['POST /api/transaction/begin HTTP/1.1', 'Content-Length: 0', BASIC])
  assert.equal(probe.status, 200)
  const Message = 'class com.starrocks.common.StarRocksException: No database selected.'
  assert.deepEqual(probe.json, { Status: 'FAILED', Message })

  const state = async (label: string): Promise<unknown> => {
    const head = [`GET /api/peer/get_load_state?label=${label} HTTP/1.1`, BASIC]
    return (await ask(frontend, head)).json['state']
  }
  assert.equal(await state('P-ev-0-1'), 'UNKNOWN')

  const row = (id: number): string =>
    `{"note":"n","amount":1.25,"user_id":7,"id":${id},"page":"/","event":"e","ts":"2026-11-20T00:00:00.004"}`
  for (const label of ['P-ev-0-1', 'P-ev-0-2']) {
    const timeout = ['timeout: 600', 'Content-Length: 0']
    assert.equal((await call(frontend, operation('begin', label, timeout))).json['Status'], 'OK')
    for (const body of [`[${row(1)},${row(2)}]`, `[${row(3)}]`]) {
      const head = ['PUT /api/transaction/load HTTP/1.1', 'db: peer', 'table: ev', `label: ${label}`, 'timeout: 600']
      const format = ['format: json', 'strip_outer_array: true', 'ignore_json_size: true', 'Expect: 100-continue']
      const framing = [`Content-Length: ${body.length}`, 'Content-Type: application/octet-stream']
      assert.equal((await call(frontend, [...head, ...format, ...framing], [body])).json['Status'], 'OK')
    }
    assert.equal((await call(frontend, operation('prepare', label))).json['Status'], 'OK')
    const commit = await ask(frontend, [...operation('commit', label), BASIC])
    assert.deepEqual([commit.status, commit.json['Status']], [200, 'OK'])
  }

  // Restored from the checkpoint of label 2, which had been committed before the process died.
  assert.equal(await state('P-ev-0-3'), 'UNKNOWN')
  const again = await ask(frontend, [...operation('commit', 'P-ev-0-2'), BASIC])
  assert.equal(again.json['Status'], 'OK')
  assert.match(String(again.json['Message']), /^Transaction \d+ has already committed, label is P-ev-0-2$/)
  assert.equal((await call(frontend, operation('begin', 'P-ev-0-3'))).json['Status'], 'OK')
  assert.equal(emulator.rowCount('peer', 'ev'), 6)
  assert.equal(emulator.rows('peer', 'ev')[0]?.['ts'], '2026-11-20 00:00:00.004000')
})

test('the Doris connector gets the replies it needs, with overlapping transactions', async () => {
  await using emulator = await startDorisEmulator({ tables: [TABLE] })
  const frontend = new URL(String(emulator.urls[0])).host
  const home = await ask(frontend, ['GET / HTTP/1.1', 'Accept: text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2'])
  assert.equal(home.status, 200)
  const schema = await ask(frontend, ['GET /api/peer/ev/_schema HTTP/1.1', BASIC])
  assert.equal((schema.json['data'] as { properties: unknown[] }).properties.length, 7)

  const columns = TABLE.columns.map(({ name }) => `\`${name}\``).join(',')
  const load = (label: string, framing: readonly string[]): string[] => [
    'PUT /api/peer/ev/_stream_load HTTP/1.1',
    ...[`label: ${label}`, 'two_phase_commit: true', 'format: json', 'read_json_by_line: true', `columns: ${columns}`],
    ...['hidden_columns: __DORIS_DELETE_SIGN__', 'Expect: 100-continue', ...framing],
  ]
  const twoPhase = (operation: string, id: unknown): Promise<Answer> => {
    const head = ['PUT /api/peer/_stream_load_2pc HTTP/1.1', `txn_id: ${String(id)}`, `txn_operation: ${operation}`]
    return call(frontend, [...head, 'Expect: 100-continue', 'Content-Length: 0'])
  }

  // Lingering transactions are looked for with an empty load, whose label is then used for real.
  const probe = await call(frontend, load('P_peer_ev_0_1', ['Content-Length: 0']))
  assert.equal(probe.json['Status'], 'Success')
  assert.equal((await twoPhase('abort', probe.json['TxnId'])).json['status'], 'Success')

  const row = (id: number): string =>
    `{"id":${id},"ts":"2026-11-20T00:00:00.004","amount":1.5,"__DORIS_DELETE_SIGN__":"0"}\n`
  const chunk = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n`
  const open = async (label: string): Promise<Wire> => {
    const head = load(label, ['Transfer-Encoding: chunked'])
    const first = await ask(frontend, [...head, BASIC])
    assert.equal(first.status, 307)
    const wire = new Wire(new URL(String(first.location)).host, [...head, BASIC])
    assert.equal(await wire.answer(), undefined)
    return wire
  }
  const end = async (wire: Wire): Promise<unknown> => {
    wire.socket.write('0\r\n\r\n')
    const reply = await wire.answer()
    assert.equal(reply?.json['Status'], 'Success')
    return reply?.json['TxnId']
  }

  const first = await open('P_peer_ev_0_1')
  for (let id = 0; id < 3; id += 1) first.socket.write(chunk(row(id)))
  const firstId = await end(first)
  // The next checkpoint's load is open before the commit of this one.
  const second = await open('P_peer_ev_0_2')
  second.socket.write(chunk(row(3)))
  assert.equal((await twoPhase('commit', firstId)).json['status'], 'Success')
  assert.equal(emulator.rowCount('peer', 'ev'), 3)
  const secondId = await end(second)
  for (const backend of emulator.backends) {
    const head = ['PUT /api/peer/_stream_load_2pc HTTP/1.1', `txn_id: ${String(secondId)}`, 'txn_operation: commit']
    const { json } = await ask(backend, [...head, 'Content-Length: 0', BASIC])
    const isFirst = backend === emulator.backends[0]
    if (isFirst) assert.equal(json['status'], 'Success')
    else assert.match(String(json['msg']), /is already visible, not pre-committed\.$/)
  }
  assert.equal(emulator.rowCount('peer', 'ev'), 4)
})
