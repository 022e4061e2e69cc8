import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Secret } from '../../core/secret.ts'
import { exposureOf, parsePgAddress } from './address.ts'
import { Inbox } from './inbox.ts'
import { md5Answer, Scram } from './login.ts'
import { formatLsn, parseLsn, sortableLsn } from './lsn.ts'
import { readServerMessage, serverError } from './server-error.ts'
import { Snapshot } from './snapshot.ts'
import { quoteName, quoteText } from './sql-text.ts'

test('messages are the same however the network cuts them, and one can be read again', () => {
  const message = fc.record({ type: fc.constantFrom(0x44, 0x5a), body: fc.uint8Array({ maxLength: 300_000 }) })
  fc.assert(
    fc.property(
      fc.array(message, { maxLength: 8 }),
      fc.infiniteStream(fc.integer({ min: 1, max: 70_000 })),
      (sent, cuts) => {
        const stream = Buffer.concat(sent.map(({ type, body }) => framed(type, body)))
        const inbox = new Inbox()
        const got: { type: number; body: Uint8Array }[] = []
        for (let at = 0; at < stream.length;) {
          const size = cuts.next().value
          inbox.push(stream.subarray(at, at + size))
          at += size
          while (inbox.next()) {
            inbox.unread()
            assert.ok(inbox.next())
            got.push({ type: inbox.type, body: new Uint8Array(inbox.bytes.subarray(inbox.at, inbox.end)) })
          }
        }
        assert.deepEqual(
          got,
          sent.map(({ type, body }) => ({ type, body })),
        )
        assert.equal(inbox.waiting, 0)
      },
    ),
    { numRuns: 30 },
  )
})

test('a length that no message has is not allocated', () => {
  const inbox = new Inbox()
  inbox.push(Buffer.from('HTTP/1.1 400 Bad Request\r\n'))
  assert.throws(() => inbox.next(), { code: 'UNAVAILABLE', message: /no Postgres server/ })
})

test('places in the log come back from their text, and sort as texts', () => {
  const lsn = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n })
  fc.assert(
    fc.property(lsn, lsn, (one, other) => {
      assert.equal(parseLsn(formatLsn(one)), one)
      assert.equal(sortableLsn(one) < sortableLsn(other), one < other)
    }),
  )
  assert.equal(formatLsn(0x16b374d848n), '16/B374D848')
  assert.throws(() => parseLsn('0x1'), { code: 'STORE_CORRUPT' })
})

test('a snapshot sees what ended before it, over the wrap of ids of 32 bits', () => {
  const near = fc.bigInt({ min: 1n, max: 1n << 40n })
  fc.assert(
    fc.property(
      near,
      fc.uniqueArray(fc.nat(1000), { maxLength: 5 }),
      fc.integer({ min: -2000, max: 2000 }),
      (xmax, back, away) => {
        const running = back.map((distance) => xmax - 1n - BigInt(distance)).filter((id) => id > 0n)
        const xmin = running.reduce((least, id) => (id < least ? id : least), xmax)
        const id = xmax + BigInt(away)
        if (id < 1n) return
        const snapshot = new Snapshot(`${xmin}:${xmax}:${running.join(',')}`)
        const isSeen = id < xmax && !running.includes(id)
        assert.equal(snapshot.sees(Number(id & 0xffffffffn)), isSeen)
      },
    ),
  )
})

test('addresses say how they are reached, and what would travel in the clear', () => {
  assert.deepEqual(parsePgAddress('postgres://db:5433/my%20shop?sslmode=require'), {
    host: 'db',
    port: 5433,
    database: 'my shop',
    sslMode: 'require',
  })
  assert.deepEqual(parsePgAddress('postgres://[::1]/a').host, '::1')
  for (const wrong of ['postgres://db', 'postgres://db/a?sslmode=allow', 'postgres://db/a?host=b', 'nonsense'])
    assert.throws(() => parsePgAddress(wrong), { code: 'CONFIG' }, wrong)
  const modes = ['db/a', 'db/a?sslmode=prefer', 'db/a?sslmode=require', 'localhost/a', '127.0.0.1/a?sslmode=disable']
  assert.deepEqual(
    modes.map((part) => parsePgAddress(`postgres://${part}`)).map((address) => [address.sslMode, exposureOf(address)]),
    [
      ['verify-full', undefined],
      ['prefer', 'plain'],
      ['require', 'unverified'],
      ['prefer', undefined],
      ['disable', undefined],
    ],
  )
})

test('passwords are answered as the server asks, and a server that does not know them is not trusted', async () => {
  const salt = Uint8Array.of(1, 2, 3, 4)
  assert.equal(md5Answer('ada', new Secret('secret'), salt), 'md5164dbcd37c01a78e869e72965960a754')
  const scram = new Scram('logging in', new Secret('secret'))
  const nonce = scram.first().slice('n,,n=,r='.length)
  const challenge = (parts: string): Promise<string> => scram.final(parts)
  await assert.rejects(challenge(`r=other,s=AAAA,i=4096`), { code: 'AUTH', message: /challenge is malformed/ })
  await assert.rejects(challenge(`r=${nonce},s=AAAA,i=4096`), { code: 'AUTH', message: /challenge is malformed/ })
  await assert.rejects(challenge(`r=${nonce}x,s=AAAA,i=1`), { code: 'AUTH', message: /1 iterations/ })
  assert.match(await challenge(`r=${nonce}x,s=AAAA,i=4096`), /^c=biws,r=.*x,p=/)
  assert.throws(() => scram.check('v=AAAA'), { code: 'AUTH', message: /could not prove/ })
  assert.throws(() => scram.check('e=other-error'), { code: 'AUTH' })
})

test('what a server refuses says what it means for the job, and repeats no values', () => {
  const said = (fields: string): ReturnType<typeof serverError> => {
    const bytes = Buffer.from(`${fields.replaceAll('|', '\0')}\0\0`)
    return serverError('doing', readServerMessage(bytes, 0, bytes.length))
  }
  const error = said('C23505|Mduplicate key|DKey (id)=(42) already exists.|Htry again')
  assert.match(error.message, /^doing: duplicate key \(try again\) \[SQLSTATE 23505\]$/)
  assert.equal(said('C28P01|Mno').code, 'AUTH')
  assert.equal(said('C57P01|Mgoing down').retry, 'restart')
  assert.equal(said('C55000|Mcan no longer get changes from replication slot "s"').code, 'POSITION_LOST')
  assert.equal(said('C42704|Mreplication slot "s" does not exist').code, 'POSITION_LOST')
  assert.equal(said('C42704|Mpublication "p" does not exist').code, 'CONFIG')
})

test('names and texts are quoted so that they stay what they are', () => {
  assert.equal(quoteName('a"b'), '"a""b"')
  assert.equal(quoteText(`it's`), `'it''s'`)
  assert.equal(quoteText(`a\\'b`), ` E'a\\\\''b'`)
})

function framed(type: number, body: Uint8Array): Buffer {
  const head = Buffer.alloc(5)
  head[0] = type
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}
