import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type HttpReply, REPLY_LIMITS, ReplyFormatError, ReplyParser } from './reply-parser.ts'

interface Heard {
  readonly finals: HttpReply[]
  readonly provisional: number[]
}

/** Feeds the bytes in pieces that end at `cuts`, then closes if asked to. */
function hear(bytes: Buffer | string, cuts: readonly number[] = [], isClosed = false): Heard {
  const heard: Heard = { finals: [], provisional: [] }
  const parser = new ReplyParser({
    final: (reply) => heard.finals.push(reply),
    provisional: (status) => heard.provisional.push(status),
  })
  const all = Buffer.from(bytes)
  let at = 0
  for (const cut of [...cuts.filter((cut) => cut < all.length).toSorted((a, b) => a - b), all.length]) {
    parser.push(all.subarray(at, cut))
    at = cut
  }
  if (isClosed) parser.close()
  return heard
}

function bodies(heard: Heard): string[] {
  return heard.finals.map((reply) => `${reply.status} ${reply.body.toString()}`)
}

const STREAM = [
  'HTTP/1.1 100 Continue\r\n\r\n',
  'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: 1\r\nx: 2\r\n\r\nhello',
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;ext=1\r\nabc\r\n2\r\n\r\n\r\n0\r\nTrailer: x\r\n\r\n',
  'HTTP/1.1 307 Temporary Redirect\r\nLocation: http://b/\r\nContent-Length: 0\r\n\r\n',
  'HTTP/1.1 204 No Content\r\n\r\n',
].join('')

test('replies are read the same however they are cut into pieces', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(STREAM.length - 1)), (cuts) => {
      const heard = hear(STREAM, cuts)
      assert.deepEqual(bodies(heard), ['200 hello', '200 abc\r\n', '307 ', '204 '])
      assert.deepEqual(heard.provisional, [100])
      assert.equal(heard.finals[0]?.headers.get('x'), '1, 2')
    }),
  )
  assert.equal(
    bodies(
      hear(
        STREAM,
        Array.from(STREAM, (_, index) => index),
      ),
    ).length,
    4,
  )
})

test('a body without a length ends with the connection, which is then not used again', () => {
  const heard = hear('HTTP/1.1 200 OK\r\n\r\n{"a":1}', [], true)
  assert.deepEqual(bodies(heard), ['200 {"a":1}'])
  assert.equal(heard.finals[0]?.keepAlive, false)
})

test('a connection stays open only when both the version and the header allow it', () => {
  const cases = [
    ['HTTP/1.1 200 OK\r\n', true],
    ['HTTP/1.1 200 OK\r\nConnection: close\r\n', false],
    ['HTTP/1.0 200 OK\r\n', false],
    ['HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\n', true],
  ] as const
  for (const [head, expected] of cases) {
    assert.equal(hear(`${head}Content-Length: 0\r\n\r\n`).finals[0]?.keepAlive, expected, head)
  }
})

test('a reply that ends before it is whole is an error', () => {
  for (const text of [
    'HTTP/1.1 200',
    'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n',
  ]) {
    assert.throws(() => hear(text, [], true), ReplyFormatError, text)
  }
})

test('malformed, ambiguous and boundless replies are refused', () => {
  const long = 'x'.repeat(REPLY_LIMITS.headBytesMax + 1)
  const manyHeaders = Array.from({ length: REPLY_LIMITS.headersMax + 1 }, (_, index) => `h${index}: 1\r\n`).join('')
  const body = 'y'.repeat(64 * 1024)
  const cases: Readonly<Record<string, string>> = {
    'not HTTP': 'SSH-2.0-OpenSSH_9.6\r\n\r\n',
    'HTTP/2': 'HTTP/2 200 OK\r\n\r\n',
    'a status of two digits': 'HTTP/1.1 20 OK\r\n\r\n',
    'a folded line': 'HTTP/1.1 200 OK\r\nA: 1\r\n 2\r\n\r\n',
    'a header without a colon': 'HTTP/1.1 200 OK\r\nA\r\n\r\n',
    'a space before the colon': 'HTTP/1.1 200 OK\r\nContent-Length : 3\r\n\r\nabc',
    'two framings': 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n',
    'two lengths': 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n',
    'a negative length': 'HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\n',
    'a coding nobody asked for': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n',
    'a bad chunk size': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n',
    'a chunk longer than its size': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n',
    'an upgrade': 'HTTP/1.1 101 Switching Protocols\r\n\r\n',
    'endless provisional replies': 'HTTP/1.1 102 Processing\r\n\r\n'.repeat(9),
    'an endless head': `HTTP/1.1 200 OK\r\nA: ${long}`,
    'too many headers': `HTTP/1.1 200 OK\r\n${manyHeaders}\r\n`,
    'a length over the limit': `HTTP/1.1 200 OK\r\nContent-Length: ${REPLY_LIMITS.bodyBytesMax + 1}\r\n\r\n`,
    'an endless body': `HTTP/1.1 200 OK\r\n\r\n${body.repeat(17)}`,
    'endless chunks': `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${`10000\r\n${body}\r\n`.repeat(17)}`,
    'an endless trailer': `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n${'a: 1\r\n'.repeat(3_000)}`,
  }
  for (const [name, text] of Object.entries(cases)) assert.throws(() => hear(text), ReplyFormatError, name)
})

test('any bytes are read as replies or refused, never anything else', () => {
  const piece = fc.constantFrom(
    'HTTP/1.1 200 OK\r\n',
    '\r\n',
    'Content-Length: 2\r\n',
    'Transfer-Encoding: chunked\r\n',
    '2\r\n',
    'ab',
    '0',
    '\n',
    ':',
  )
  fc.assert(
    fc.property(fc.array(piece), fc.array(fc.nat(200)), (pieces, cuts) => {
      try {
        hear(pieces.join(''), cuts, true)
      } catch (error) {
        assert.ok(error instanceof ReplyFormatError)
      }
    }),
  )
})
