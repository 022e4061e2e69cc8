import assert from 'node:assert/strict'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import fc from 'fast-check'
import { testLaneContext } from '../../testkit/lane-context.ts'
import { readSplits } from '../../testkit/read-splits.ts'
import { jsonItems } from './json-items.ts'
import { httpSourceOptions } from './options.ts'
import { HttpKeyed } from './keyed.ts'
import { HttpSource } from './source.ts'

async function serve(listener: RequestListener): Promise<{ readonly url: string } & AsyncDisposable> {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/users`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** The rows of an answer, by a new reader after so many batches each time. */
async function read(options: object, batches: number = Number.POSITIVE_INFINITY): Promise<string[]> {
  const source = new HttpSource(httpSourceOptions.parse(options))
  const clock = {
    now: () => 0,
    sleep: () => new Promise<void>((resolve) => setImmediate(resolve)),
    after: () => () => {},
  }
  let rest = await source.enumerator().discover(new Set(), true)
  const records: string[] = []
  while (rest.length > 0) {
    const reader = source.reader(testLaneContext({ clock }))
    try {
      const result = await readSplits(reader, rest, batches)
      records.push(...result.records)
      rest = result.rest
    } finally {
      await reader.close()
    }
  }
  return records
}

const answering =
  (text: string): RequestListener =>
  (_, response) =>
    void response.end(text)

test('rows are those of the list, the list at a path, or one behind the other, with their exact numbers', async () => {
  const row = '{"id": 12345678901234567890.10,\n "name": "a\\"]}"}'
  const line = row.replace('\n', ' ')
  for (const [text, rows] of [
    [`[${row}, ${row}]`, undefined],
    [`${row}\n${row}\n`, undefined],
    [` {"x": [1], "data": {"n": null, "items" : [${row},${row}]}}`, 'data.items'],
  ] as const) {
    await using server = await serve(answering(text))
    assert.deepEqual(await read({ url: server.url, rows }), [line, line], text)
  }
  await using empty = await serve(answering('[ ]'))
  assert.deepEqual(await read({ url: empty.url }), [])
})

test('whatever a list holds, its items are found', () => {
  fc.assert(
    fc.property(fc.array(fc.jsonValue(), { maxLength: 8 }), fc.boolean(), (values, isPretty) => {
      const bytes = Buffer.from(JSON.stringify({ a: { 'b"': values } }, undefined, isPretty ? 2 : 0))
      const items = [...jsonItems(bytes, ['a', 'b"'])].map(([start, end]) => bytes.toString('utf8', start, end))
      assert.deepEqual(
        items.map((item) => JSON.parse(item) as unknown),
        JSON.parse(JSON.stringify(values)),
      )
    }),
  )
})

test('a large answer comes in batches, and reading goes on behind the last one', async () => {
  const rows = Array.from({ length: 40_000 }, (_, id) => `{"id":${id}}`)
  await using server = await serve(answering(`[${rows.join()}]`))
  assert.deepEqual(await read({ url: server.url }, 1), rows)
})

test('a busy server is asked again, with the token and the headers', async () => {
  let asked = 0
  await using server = await serve((request, response) => {
    assert.deepEqual([request.headers.authorization, request.headers['x-team']], ['Bearer secret', 'a'])
    response.statusCode = ++asked < 3 ? 503 : 200
    response.end('[{"id":1}]')
  })
  assert.deepEqual(await read({ url: server.url, token: 'secret', headers: { 'x-team': 'a' } }), ['{"id":1}'])
  assert.equal(asked, 3)
})

for (const [what, code, listener] of [
  ['a redirect', 'REDIRECT_DENIED', (_, response) => void response.writeHead(302, { location: '/other' }).end()],
  ['a refusal', 'AUTH', (_, response) => void response.writeHead(401).end()],
  ['an address without an answer', 'CONFIG', (_, response) => void response.writeHead(404).end()],
  ['a list that is broken off', 'DECODE', answering('[{"id":1}, {"id"')],
  ['no list', 'DECODE', answering('{"id":1}')],
  ['bytes that are no UTF-8', 'DECODE', (_, response) => void response.end(Buffer.from([0x5b, 0xff, 0x5d]))],
] as const satisfies readonly (readonly [string, string, RequestListener])[]) {
  test(`${what} ends the read with ${code}`, async () => {
    await using server = await serve(listener)
    await assert.rejects(read({ url: server.url, rows: what === 'no list' ? 'items' : undefined }), {
      code,
      retry: 'halt',
    })
  })
}

test('an answer beyond the limit, and a token over plain HTTP to somebody else, are refused', async () => {
  await using server = await serve(answering(`[${'1,'.repeat(100)}1]`))
  await assert.rejects(read({ url: server.url, bytesMax: '100B' }), { code: 'DECODE', message: /more than 100 bytes/ })
  await assert.rejects(read({ url: 'http://example.com/', token: 'secret' }), { code: 'CONFIG' })
})

test('by keys: each is asked for in its place of the address, and what is not there gives no row', async () => {
  const asked: string[] = []
  await using server = await serve((request, response) => {
    asked.push(request.url ?? '')
    if (request.url?.startsWith('/users/3') === true) return void response.writeHead(404).end()
    return void response.end(`{"id":"${decodeURIComponent(/[^/]*$/.exec(request.url ?? '')?.[0] ?? '')}",\n"n":1.10}`)
  })
  const options = httpSourceOptions.parse({ url: `${server.url}/{id}` })
  const reader = new HttpKeyed(options, { keys: ['id'], schema: [] })
  const { signal } = new AbortController()
  const { buffer, rows } = await reader.fetch([['1'], ['3'], ['a/../b?c']], signal)
  assert.equal(rows, 2)
  const lines = buffer.toString().trimEnd().split('\n').sort()
  assert.deepEqual(lines, ['{"id":"1", "n":1.10}', '{"id":"a/../b?c", "n":1.10}'])
  assert.ok(asked.includes('/users/a%2F..%2Fb%3Fc'))
  await assert.rejects(reader.fetch([['..']], signal), { code: 'POISON' })
  assert.throws(() => new HttpKeyed(httpSourceOptions.parse({ url: server.url }), { keys: ['id'], schema: [] }), {
    code: 'CONFIG',
    message: /write \{id\} where it belongs/,
  })
})

test('by keys: messages do not name them', async () => {
  await using server = await serve((_, response) => void response.writeHead(500).end())
  const reader = new HttpKeyed(httpSourceOptions.parse({ url: `${server.url}/{id}` }), { keys: ['id'], schema: [] })
  await assert.rejects(reader.fetch([['secret']], new AbortController().signal), (error: Error) => {
    assert.doesNotMatch(error.message, /secret/)
    assert.match(error.message, /answers 500/)
    return true
  })
})
