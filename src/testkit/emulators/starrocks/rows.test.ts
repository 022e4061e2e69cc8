import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deflateSync, gzipSync, zstdCompressSync } from 'node:zlib'
import type { EmulatorColumn } from '../options.ts'
import { send, sendFollowing, type RawReply } from '../raw-http.ts'
import { callerOf, JSON_ARRAY, startShop, type StarRocksCall } from './starrocks-client.ts'

/** All of one transaction; returns the reply of its commit, or of the prepare that failed. */
async function load(
  call: StarRocksCall,
  bodies: readonly (string | Buffer)[],
  headers: Record<string, string> = {},
  table = 'events',
): Promise<RawReply> {
  const label = `L${Math.random()}`
  await call('begin', label, { table })
  for (const body of bodies) assert.equal((await call('load', label, { table, headers, body })).json['Status'], 'OK')
  const prepared = await call('prepare', label, { table })
  if (prepared.json['Status'] === 'OK') assert.equal((await call('commit', label)).json['Status'], 'OK')
  return prepared
}

test('CSV chunks are concatenated: a missing delimiter glues rows together', async () => {
  await using emulator = await startShop()
  const call = callerOf(emulator)
  await load(call, ['1\ta\t1\n2\tb', '\t2\n'])
  assert.deepEqual(
    emulator.rows('shop', 'events').map((row) => row['id']),
    [1n, 2n],
  )
  const glued = await load(call, ['1\ta\t1', '2\tb\t2\n'])
  assert.equal(glued.json['Message'], 'too many filtered rows')
  assert.equal(emulator.rowCount('shop', 'events'), 2)
})

test('CSV has delimiters of any bytes, \\N for NULL and the empty text as itself', async () => {
  await using emulator = await startShop()
  const headers = { column_separator: '\\x01', row_delimiter: '\\x0D0A' }
  await load(callerOf(emulator), ['1\x01\x01\\N\r\n2\x01\\N\x010.5\r\n'], headers)
  assert.deepEqual(emulator.rows('shop', 'events'), [
    { id: 1n, name: '', amount: null },
    { id: 2n, name: null, amount: '0.50' },
  ])
})

test('the columns header orders, drops and derives columns', async () => {
  await using emulator = await startShop()
  await load(callerOf(emulator), ['x,7,8\n'], {
    column_separator: ',',
    columns: 'skipped, id, tmp, amount = tmp, name = "n"',
  })
  assert.deepEqual(emulator.rows('shop', 'events'), [{ id: 7n, name: 'n', amount: '8.00' }])
})

test('JSON needs one whole document of the announced shape in each request', async () => {
  await using emulator = await startShop()
  const call = callerOf(emulator)
  await load(call, ['[{"id":1}]', '[{"id":2,"name":"}],[{\\"","extra":{"a":[1]}},{"id":3}]'], JSON_ARRAY)
  await load(call, ['{"id":4}'], { format: 'json' })
  assert.equal(emulator.rowCount('shop', 'events'), 4)
  const wrong: [string, Record<string, string>][] = [
    ['{"id":1}', JSON_ARRAY],
    ['[{"id":1}]', { format: 'json' }],
    ['[{"id":1},{"id":', JSON_ARRAY],
    ['[{"id":1}][{"id":2}]', JSON_ARRAY],
    ['{"id":1}\n{"id":2}', { format: 'json' }],
    ['[{"id":1},7]', JSON_ARRAY],
  ]
  for (const [body, headers] of wrong) {
    assert.equal((await load(call, [body], headers)).json['Message'], 'too many filtered rows', body)
  }
  assert.equal(emulator.rowCount('shop', 'events'), 4)
})

test('jsonpaths and json_root pick the fields', async () => {
  await using emulator = await startShop()
  const call = callerOf(emulator)
  await load(call, ['[{"a":{"b":5},"c":"x"}]'], { ...JSON_ARRAY, jsonpaths: '["$.a.b","$.c"]', columns: 'id,name' })
  await load(call, ['{"data":[{"id":6},{"id":7}]}'], { ...JSON_ARRAY, json_root: '$.data' })
  assert.deepEqual(
    emulator.rows('shop', 'events').map((row) => row['id']),
    [5n, 6n, 7n],
  )
})

test('bad rows are known at prepare only; the error log is at the backend', async () => {
  await using emulator = await startShop()
  const call = callerOf(emulator)
  const failed = await load(call, ['1\ta\t1\nx\tb\t2\n'])
  assert.equal(failed.json['Status'], 'INTERNAL_ERROR')
  assert.equal(failed.json['Message'], 'too many filtered rows')
  const url = String(failed.json['ErrorURL'])
  assert.match(url, /^http:\/\/127\.0\.0\.1:\d+\/api\/_load_error_log\?file=error_log_\w+_\w+$/)
  assert.match((await send(url, { method: 'GET' })).text, /column 'id' \(BIGINT\)/)
  const tolerated = await load(call, ['1\ta\t1\nx\tb\t2\n'], { max_filter_ratio: '0.5' })
  assert.equal(tolerated.json['NumberFilteredRows'], 1)
  assert.equal(tolerated.json['NumberLoadedRows'], 1)
  assert.equal(emulator.rowCount('shop', 'events'), 1)
})

test('where leaves rows unselected, which do not count for the ratio', async () => {
  await using emulator = await startShop()
  const reply = await load(callerOf(emulator), ['1\ta\t1\n2\tb\t2\n3\tb\t3\n'], { where: "name = 'b' and id > 2" })
  assert.equal(reply.json['NumberUnselectedRows'], 2)
  assert.equal(reply.json['NumberLoadedRows'], 1)
  assert.equal(reply.json['NumberTotalRows'], 3)
})

test('strict mode filters what cannot be converted, otherwise NULL is stored', async () => {
  await using emulator = await startShop()
  const call = callerOf(emulator)
  const body = '1\ta\tmany\n'
  assert.equal((await load(call, [body], { strict_mode: 'true' })).json['Message'], 'too many filtered rows')
  assert.equal((await load(call, [body])).json['NumberLoadedRows'], 1)
  assert.deepEqual(emulator.rows('shop', 'events'), [{ id: 1n, name: 'a', amount: null }])
})

test('every column type accepts and refuses what the server would', async () => {
  const cases: [type: string, good: [unknown, unknown][], bad: unknown[]][] = [
    [
      'TINYINT',
      [
        [127, 127n],
        ['-128', -128n],
      ],
      [128, 'x', 1.5],
    ],
    ['BIGINT', [['9223372036854775807', 9223372036854775807n]], ['9223372036854775808']],
    ['LARGEINT', [[`${2n ** 127n - 1n}`, 2n ** 127n - 1n]], [`${2n ** 127n}`]],
    [
      'BOOLEAN',
      [
        [true, true],
        ['0', false],
        ['TRUE', true],
      ],
      ['maybe', 2],
    ],
    [
      'DOUBLE',
      [
        [1.5, 1.5],
        ['-2e3', -2000],
      ],
      ['1e999', 'NaN', ''],
    ],
    [
      'DECIMAL(5,2)',
      [
        [1.1, '1.10'],
        ['-0.005', '-0.01'],
        ['1e2', '100.00'],
        ['999.994', '999.99'],
        ['007', '7.00'],
        ['-0', '0.00'],
      ],
      ['999.995', '1000', 'abc', '.'],
    ],
    [
      'DATE',
      [
        ['2024-02-29', '2024-02-29'],
        ['20240229', '2024-02-29'],
      ],
      ['2023-02-29', '2024-13-01', '24-1-1'],
    ],
    [
      'DATETIME',
      [
        ['2026-01-02T03:04:05.1', '2026-01-02 03:04:05.100000'],
        ['2026-01-02 03:04:05', '2026-01-02 03:04:05'],
      ],
      ['2026-01-02 24:00:00', 'now'],
    ],
    [
      'JSON',
      [
        [{ a: [1] }, '{"a":[1]}'],
        ['{"b": 2}', '{"b":2}'],
      ],
      ['{'],
    ],
    [
      'VARCHAR(3)',
      [
        ['abc', 'abc'],
        [12, '12'],
        ['é', 'é'],
      ],
      ['abcd', 'éé'],
    ],
  ]
  for (const [type, good, bad] of cases) {
    const columns: EmulatorColumn[] = [{ name: 'v', type, nullable: false }]
    await using emulator = await startShop({
      tables: [{ database: 'shop', table: 'events', model: 'duplicate', columns }],
    })
    const call = callerOf(emulator)
    const headers = { ...JSON_ARRAY, max_filter_ratio: '1' }
    await load(
      call,
      [JSON.stringify([...good.map(([v]) => ({ v })), ...bad.map((v) => ({ v })), { v: null }])],
      headers,
    )
    assert.deepEqual(
      emulator.rows('shop', 'events').map((row) => row['v']),
      good.map(([, stored]) => stored),
      type,
    )
  }
})

test('a primary key table upserts, deletes by __op, updates partially and merges on a condition', async () => {
  await using emulator = await startShop()
  const call = callerOf(emulator)
  const rows = (): unknown => emulator.rows('shop', 'orders')
  await load(
    call,
    ['[{"id":1,"name":"a","version":5},{"id":2,"name":"b","version":1},{"id":2,"name":"c","version":2}]'],
    JSON_ARRAY,
    'orders',
  )
  assert.deepEqual(rows(), [
    { id: 1n, name: 'a', version: 5n },
    { id: 2n, name: 'c', version: 2n },
  ])
  await load(
    call,
    ['[{"id":1,"__op":1},{"id":3,"name":"x","__op":"upsert"},{"id":2,"__op":"delete"},{"id":1,"name":"n"}]'],
    JSON_ARRAY,
    'orders',
  )
  assert.deepEqual(rows(), [
    { id: 3n, name: 'x', version: null },
    { id: 1n, name: 'n', version: null },
  ])
  assert.equal(emulator.rowCount('shop', 'orders'), 2)
  await load(call, ['3,9\n'], { column_separator: ',', columns: 'id,version', partial_update: 'true' }, 'orders')
  await load(
    call,
    ['3,old,8,0\n1,m,1,0\n'],
    { column_separator: ',', columns: 'id,name,version,o,__op=o', merge_condition: 'version' },
    'orders',
  )
  assert.deepEqual(rows(), [
    { id: 3n, name: 'x', version: 9n },
    { id: 1n, name: 'm', version: 1n },
  ])
})

test('compressed bodies: CSV by format, JSON by compression', async () => {
  await using emulator = await startShop()
  const call = callerOf(emulator)
  const csv = Buffer.from('1\ta\t1\n')
  const json = Buffer.from('[{"id":2}]')
  await load(call, [gzipSync(csv)], { format: 'gzip' })
  await load(call, [zstdCompressSync(csv)], { format: 'zstd' })
  await load(call, [deflateSync(csv)], { format: 'deflate' })
  await load(call, [gzipSync(json)], { ...JSON_ARRAY, compression: 'gzip' })
  assert.equal(emulator.rowCount('shop', 'events'), 4)
  await call('begin', 'both')
  const both = await call('load', 'both', {
    headers: { ...JSON_ARRAY, compression: 'gzip', 'content-encoding': 'gzip' },
  })
  assert.equal(both.json['Message'], 'Only one of http header content-encoding and compression can be set')
})

test('quoting and skipped lines are read by plain stream load and not by transactions', async () => {
  await using emulator = await startShop()
  const headers = { column_separator: ',', enclose: '"', escape: '\\', skip_header: '1', expect: '100-continue' }
  const body = 'id,name,amount\n1,"a,\n""b""",2\n'
  const plain = await sendFollowing(`${emulator.urls[0]}/api/shop/events/_stream_load`, {
    method: 'PUT',
    headers,
    body,
  })
  assert.equal(plain.json['Status'], 'Success')
  assert.deepEqual(emulator.rows('shop', 'events'), [{ id: 1n, name: 'a,\n"b"', amount: '2.00' }])
  assert.equal((await load(callerOf(emulator), [body], headers)).json['Message'], 'too many filtered rows')
})

test('count mode counts rows of every format and keeps none', async () => {
  await using emulator = await startShop({ mode: 'count' })
  const call = callerOf(emulator)
  const tricky = '[{"id":1,"s":"]},{\\\\\\""},{"id":2,"n":{"x":[{}]}}]'
  assert.equal((await load(call, [tricky, '[]'], JSON_ARRAY)).json['NumberLoadedRows'], 2)
  assert.equal((await load(call, ['1\n2\n', '3'])).json['NumberLoadedRows'], 3)
  assert.equal(emulator.rowCount('shop', 'events'), 5)
  assert.deepEqual(emulator.rows('shop', 'events'), [])
})
