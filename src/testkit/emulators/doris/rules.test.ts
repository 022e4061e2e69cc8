import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { ManualClock } from '../clock.ts'
import { send, sendFollowing } from '../raw-http.ts'
import { callsOf, JSON_LINES, startShop } from './doris-client.ts'

const ROW = '1\ta\t\\N\n'

/** Sends bytes as they are; returns all that comes back until the server closes. */
async function raw(address: string, text: string): Promise<string> {
  const [host = '', port = ''] = address.split(':')
  const socket = connect(Number(port), host)
  socket.write(text)
  let reply = ''
  socket.on('data', (chunk) => {
    reply += chunk.toString()
    if (reply.includes('\n}\n')) socket.end()
  })
  socket.on('error', () => undefined)
  await once(socket, 'close')
  return reply
}

test('the frontend redirects with path and query, wants Expect, and words its errors as status and msg', async () => {
  await using emulator = await startShop()
  const url = `${emulator.urls[0]}/api/shop`
  const redirected = await send(`${url}/events/_stream_load?a=b`, {
    method: 'PUT',
    headers: { expect: '100-continue' },
  })
  assert.equal(redirected.status, 307)
  assert.equal(redirected.wasContinued, false)
  const location = new URL(String(redirected.headers.location))
  assert.ok(emulator.backends.includes(location.host))
  assert.equal(location.pathname + location.search, '/api/shop/events/_stream_load?a=b')
  const refused = await send(`${url}/events/_stream_load`, { method: 'PUT', body: ROW })
  assert.deepEqual(refused.json, { status: 'FAILED', msg: 'There is no 100-continue header' })
  const msg = async (headers: Record<string, string>): Promise<unknown> =>
    (await send(`${url}/_stream_load_2pc`, { method: 'PUT', headers })).json['msg']
  assert.equal(await msg({ txn_operation: 'commit' }), 'No transaction id or label selected.')
  assert.equal(await msg({ txn_id: '1' }), "No transaction operation('commit' or 'abort') selected.")
})

test('credentials are wanted at frontends and backends', async () => {
  await using emulator = await startShop({ password: 'secret' })
  const headers = { expect: '100-continue', label: 'L1' }
  const path = '/api/shop/events/_stream_load'
  assert.equal((await send(`${emulator.urls[0]}${path}`, { method: 'PUT', headers })).status, 401)
  const direct = `http://${emulator.backends[0]}${path}`
  const missing = await send(direct, { method: 'PUT', headers, credentials: undefined })
  assert.deepEqual(
    [missing.json['Status'], missing.json['Message']],
    ['Fail', '[NOT_AUTHORIZED]no valid Basic authorization'],
  )
  const home = await send(`${emulator.urls[0]}/`, { method: 'GET', credentials: undefined })
  assert.equal(home.status, 200)
})

test('a body is framed by its length or by chunks, never both or neither', async () => {
  await using emulator = await startShop()
  const address = String(emulator.backends[0])
  const head = `PUT /api/shop/events/_stream_load HTTP/1.1\r\nHost: x\r\nAuthorization: Basic ${btoa('root:')}\r\nlabel: L1\r\n`
  const both = await raw(address, `${head}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`)
  assert.match(both, /please do not set both content_length and transfer-encoding/)
  assert.match(await raw(address, `${head}\r\n`), /content_length is empty and transfer-encoding!=chunked/)
  const chunked = await raw(address, `${head}Transfer-Encoding: chunked\r\n\r\n7\r\n${ROW}\r\n0\r\n\r\n`)
  assert.match(chunked, /"Status": "Success"/)
  assert.equal(emulator.rowCount('shop', 'events'), 1)
})

test('a connection lost in the body rolls the load back and frees its label', async () => {
  await using emulator = await startShop()
  const { load, state } = callsOf(emulator)
  const [host = '', port = ''] = String(emulator.backends[0]).split(':')
  const socket = connect(Number(port), host)
  const head = `PUT /api/shop/events/_stream_load HTTP/1.1\r\nHost: x\r\nAuthorization: Basic ${btoa('root:')}\r\n`
  socket.write(`${head}label: L1\r\nContent-Length: 100\r\n\r\n${ROW}`)
  while ((await state('L1')) !== 'PREPARE') await new Promise(setImmediate)
  socket.destroy()
  while ((await state('L1')) === 'PREPARE') await new Promise(setImmediate)
  assert.equal(await state('L1'), 'ABORTED')
  assert.equal((await load('L1', ROW)).json['Status'], 'Success')
})

test('a refusal comes before the body is asked for', async () => {
  await using emulator = await startShop()
  const { load } = callsOf(emulator)
  const cases: [Record<string, string>, RegExp][] = [
    [{ format: 'orc' }, /unknown data format, format=orc/],
    [{ merge_type: 'PUT' }, /Invalid merge type PUT/],
    [{ merge_type: 'MERGE' }, /Excepted DELETE ON clause when merge type is MERGE\./],
    [{ delete: 'id = 1' }, /Not support DELETE ON clause when merge type is not MERGE\./],
    [{ enclose: "''" }, /enclose must be single-char, actually is ''/],
    [{ strict_mode: 'x' }, /Invalid strict mode format\. Must be bool type/],
    [{ partitions: 'p', temporary_partitions: 'q' }, /Can not specify both partitions and temporary partitions/],
    [{ group_commit: 'sync_mode' }, /label and group_commit can't be set at the same time/],
  ]
  for (const [headers, message] of cases) {
    const reply = await load('L1', ROW, { headers, isTwoPhase: false })
    assert.equal(reply.json['Status'], 'Fail')
    assert.match(String(reply.json['Message']), message)
    assert.equal(reply.wasContinued, false)
  }
})

test('group commit without a label answers with a label of its own', async () => {
  await using emulator = await startShop()
  const { load } = callsOf(emulator)
  const reply = await load('', ROW, { headers: { group_commit: 'sync_mode' }, isTwoPhase: false })
  assert.equal(reply.json['GroupCommit'], true)
  assert.match(String(reply.json['Label']), /^group_commit_/)
  assert.equal('BeginTxnTimeMs' in reply.json, false)
  const odd = await load('', ROW, { headers: { group_commit: 'now' }, isTwoPhase: false })
  assert.match(String(odd.json['msg']), /^Header `group_commit` can only be/)
})

test('cloud mode refuses two phases on unique tables', async () => {
  await using emulator = await startShop({ settings: { isCloudMode: true } })
  const { load } = callsOf(emulator)
  const reply = await load('L1', ROW, { table: 'orders' })
  assert.match(String(reply.json['Message']), /stream load 2pc is unsupported for mow table/)
  assert.equal((await load('L1', ROW)).json['Status'], 'Success')
})

test('too many versions are error -235 until compaction has drained them', async () => {
  const clock = new ManualClock()
  const settings = { maxTabletVersionNum: 2, compactionVersionsPerSecond: 1 }
  await using emulator = await startShop({ clock, settings })
  const { load } = callsOf(emulator)
  await load('L1', ROW, { isTwoPhase: false })
  assert.match(String((await load('L2', ROW)).json['Message']), /-235/)
  clock.advance(1_000)
  assert.equal((await load('L2', ROW)).json['Status'], 'Success')
})

test('only a running load can be cancelled by label', async () => {
  await using emulator = await startShop()
  const { load, state } = callsOf(emulator)
  await load('L1', ROW)
  const url = `${emulator.urls[0]}/api/shop/_cancel?label=L1`
  assert.match((await send(url, { method: 'POST' })).text, /running transaction not found, label=L1/)
  assert.equal(await state('L1'), 'PRECOMMITTED')
})

test('a follower asks the leader for states; loads go straight to a backend', async () => {
  await using emulator = await startShop({ followerFrontends: 1 })
  const [leader = '', follower = ''] = emulator.urls
  const state = await send(`${follower}/api/shop/get_load_state?label=L`, { method: 'GET' })
  assert.equal(state.headers.location, `${leader}/api/shop/get_load_state?label=L`)
  const answer = await sendFollowing(`${follower}/api/shop/get_load_state?label=L`, { method: 'GET' })
  assert.deepEqual(answer.json, { msg: 'success', code: 0, data: 'UNKNOWN', count: 0 })
  const load = await send(`${follower}/api/shop/events/_stream_load`, {
    method: 'PUT',
    headers: { expect: '100-continue' },
  })
  assert.ok(emulator.backends.includes(new URL(String(load.headers.location)).host))
})

test('the schema and the living backends can be asked for', async () => {
  const clock = new ManualClock()
  await using emulator = await startShop({ clock })
  const get = async (path: string): Promise<unknown> =>
    (await send(`${emulator.urls[0]}${path}`, { method: 'GET' })).json['data']
  const schema = (await get('/api/shop/orders/_schema')) as {
    keysType: string
    properties: { name: string; type: string }[]
  }
  assert.equal(schema.keysType, 'UNIQUE_KEYS')
  assert.deepEqual([schema.properties[1]?.name, schema.properties[1]?.type], ['name', 'VARCHAR'])
  await emulator.killBackend(0)
  clock.advance(5_000)
  const [ip, port] = String(emulator.backends[1]).split(':')
  assert.deepEqual(await get('/api/backends?is_alive=true'), {
    backends: [{ ip, http_port: Number(port), is_alive: true }],
  })
})

test('a hidden delete sign deletes, but only without a columns header', async () => {
  await using emulator = await startShop()
  const { load } = callsOf(emulator)
  const options = { table: 'orders', isTwoPhase: false }
  const hidden = { ...JSON_LINES, hidden_columns: '__DORIS_DELETE_SIGN__' }
  await load('L1', '{"id":1,"name":"a","__DORIS_DELETE_SIGN__":"0"}\n{"id":2,"name":"b"}\n', {
    ...options,
    headers: hidden,
  })
  const sign = '{"id":1,"__DORIS_DELETE_SIGN__":"1"}\n'
  await load('L2', sign, { ...options, headers: { ...hidden, columns: 'id,name' } })
  assert.equal(emulator.rowCount('shop', 'orders'), 2)
  await load('L3', sign, { ...options, headers: hidden })
  assert.deepEqual(emulator.rows('shop', 'orders'), [{ id: 2n, name: 'b', version: null }])
})

test('merge_type deletes every row, or those that meet the condition', async () => {
  await using emulator = await startShop()
  const { load } = callsOf(emulator)
  const options = { table: 'orders', isTwoPhase: false }
  await load('L1', '1\ta\t1\n2\tb\t1\n3\tc\t1\n', options)
  await load('L2', '1\ta\t1\n', { ...options, headers: { merge_type: 'DELETE' } })
  await load('L3', '2\tb\t9\n3\tc\t2\n', { ...options, headers: { merge_type: 'MERGE', delete: 'version > 5' } })
  assert.deepEqual(emulator.rows('shop', 'orders'), [{ id: 3n, name: 'c', version: 2n }])
})

test('with a sequence column the larger value stays, also against a delete', async () => {
  await using emulator = await startShop()
  const { load } = callsOf(emulator)
  const columns = { 'function_column.sequence_col': 'version' }
  const options = { table: 'orders', isTwoPhase: false, headers: columns }
  await load('L1', '1\tnew\t10\n', options)
  await load('L2', '1\told\t9\n', options)
  assert.equal(emulator.rows('shop', 'orders')[0]?.['name'], 'new')
  await load('L3', '1\tnew\t11\n', { ...options, headers: { ...columns, merge_type: 'DELETE' } })
  await load('L4', '1\told\t10\n', options)
  assert.equal(emulator.rowCount('shop', 'orders'), 0)
})

test('JSON without a shape is read by line; arrays only when asked; partial columns keep the rest', async () => {
  await using emulator = await startShop()
  const { load } = callsOf(emulator)
  const options = { table: 'orders', isTwoPhase: false }
  const json = { format: 'json' }
  await load('L1', '{"id":1,"name":"a"}\n{"id":2,"name":"b"}', { ...options, headers: json })
  await load('L2', '[{"id":3,"name":"c"}]', { ...options, headers: { ...json, strip_outer_array: 'true' } })
  const failed = await load('L3', '[{"id":4}]', { ...options, headers: json })
  assert.match(String(failed.json['Message']), /too many filtered rows/)
  assert.match(String(failed.json['ErrorURL']), /_load_error_log\?file=/)
  const partial = { columns: 'id,version', partial_columns: 'true' }
  await load('L4', '1\t7\n', { ...options, headers: partial })
  assert.deepEqual(emulator.rows('shop', 'orders')[0], { id: 1n, name: 'a', version: 7n })
  assert.equal(emulator.rowCount('shop', 'orders'), 3)
})

test('compressed and quoted CSV with its own delimiters', async () => {
  await using emulator = await startShop()
  const { load } = callsOf(emulator)
  const headers = { column_separator: ',', line_delimiter: '\\x0a', enclose: '"', skip_lines: '1', compress_type: 'gz' }
  const body = gzipSync('id,name,at\n1,"a,b",2026-01-01 23:59:59.9996\n')
  assert.equal((await load('L1', body, { headers, isTwoPhase: false })).json['Status'], 'Success')
  assert.deepEqual(emulator.rows('shop', 'events'), [{ id: 1n, name: 'a,b', at: '2026-01-02 00:00:00.000' }])
})

test('a load that can only fail is answered while its body is still being sent', async () => {
  await using emulator = await startShop()
  const [host = '', port = ''] = String(emulator.backends[0]).split(':')
  const socket = connect(Number(port), host)
  let reply = ''
  socket.on('data', (chunk) => (reply += chunk.toString()))
  socket.on('error', () => undefined)
  const head = `PUT /api/shop/events/_stream_load HTTP/1.1\r\nHost: x\r\nAuthorization: Basic ${btoa('root:')}\r\n`
  socket.write(`${head}label: L1\r\nContent-Length: 1000000000\r\n\r\nbad\trow\t\\N\textra\n`)
  while (!reply.includes('\n}\n')) {
    socket.write(ROW)
    await new Promise(setImmediate)
  }
  socket.destroy()
  assert.match(reply, /^connection: close\r$/im)
  assert.match(reply, /"Status": "Fail"/)
  assert.match(reply, /too many filtered rows/)
  assert.equal(await callsOf(emulator).state('L1'), 'ABORTED')
})

test('a refused request without Expect is answered before its body and its connection closed', async () => {
  await using emulator = await startShop()
  const url = `http://${emulator.backends[0]}/api/shop/events/_stream_load`
  const reply = await send(url, { method: 'PUT', headers: { label: 'L1', format: 'orc' }, body: ROW.repeat(50_000) })
  assert.match(String(reply.json['Message']), /unknown data format/)
  assert.equal(reply.headers.connection, 'close')
})
