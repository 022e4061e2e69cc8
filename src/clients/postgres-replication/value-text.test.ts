import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { formOf, type PgType } from './types.ts'
import { UNSPEAKABLE, writeValue } from './value-text.ts'

const TEXT: PgType = { oid: 25, name: 'text' }
const unit = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.string({ unit: 'binary' }).filter((text) => text.isWellFormed()),
)

function json(type: PgType, text: string): string | undefined {
  const bytes = Buffer.from(text)
  const target = Buffer.alloc(6 * bytes.length + 2)
  const length = writeValue(formOf(type, -1), bytes, 0, bytes.length, target, 0)
  return length === UNSPEAKABLE ? undefined : target.toString('utf8', 0, length)
}

test('any text comes back from its JSON, in the room that is kept for it', () => {
  fc.assert(fc.property(unit, (text) => assert.equal(JSON.parse(json(TEXT, text) ?? ''), text)))
})

test('any array of texts comes back from its JSON', () => {
  const array: PgType = { oid: 1009, name: 'text[]', element: TEXT }
  fc.assert(
    fc.property(fc.array(fc.option(unit)), (texts) => {
      // As the server writes them: quoted where they could be mistaken, here everywhere.
      const items = texts.map((text) => (text === null ? 'NULL' : `"${text.replaceAll(/["\\]/g, '\\$&')}"`))
      assert.deepEqual(JSON.parse(json(array, `{${items.join(',')}}`) ?? ''), texts)
    }),
  )
})

test('any bytes come back from their base64', () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      const text = json({ oid: 17, name: 'bytea' }, `\\x${Buffer.from(bytes).toString('hex')}`) ?? ''
      assert.deepEqual(new Uint8Array(Buffer.from(JSON.parse(text) as string, 'base64')), bytes)
    }),
  )
})

test('what JSON or a type of ours has no word for is told, and nothing else is', () => {
  const cases: readonly (readonly [string, string, isSpoken: boolean])[] = [
    ['float8', 'NaN', false],
    ['float8', '-Infinity', false],
    ['float8', '-1.5e+300', true],
    ['date', 'infinity', false],
    ['date', '-infinity', false],
    ['date', '10000-01-01', false],
    ['date', '0001-01-01 BC', false],
    ['date', '0001-01-01', true],
    ['timestamp', '9999-12-31 23:59:59.999999', true],
    ['timestamp', '0044-03-15 00:00:00 BC', false],
    ['timestamptz', '2024-01-01 00:00:00+00', true],
    ['timestamptz', '0044-03-15 00:00:00+00 BC', false],
    ['time', '24:00:00', false],
    ['time', '23:59:59', true],
  ]
  for (const [name, text, isSpoken] of cases) {
    assert.equal(json({ oid: 0, name }, text) !== undefined, isSpoken, `${name} ${text}`)
  }
})
