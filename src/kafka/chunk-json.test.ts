import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { RecordTarget } from '../clients/kafka/index.ts'
import { decodeJson, encodeJson } from '../core/exact-json.ts'
import { ChunkJson } from './chunk-json.ts'

const exact = fc.tuple(
  fc.jsonValue(),
  fc.bigInt(),
  fc.constantFrom('0.12345678901234567890', '1e400', '-7.5E-310', '3'),
)
const value = fc.oneof(
  fc.jsonValue().map((plain) => encodeJson(plain)),
  exact.map(([plain, big, number]) => `[${encodeJson(plain)},${big},${number}]`),
  // Behind each other these would be numbers, lists and texts of several values.
  fc.constantFrom(
    '',
    '1',
    '12345678',
    '1234567890',
    '.5',
    'e4',
    '[',
    ']',
    '"',
    '{"a":1',
    '}',
    '1,2',
    '\0',
    '"ü"',
    '\ufeff1',
  ),
)

/** A chunk whose values are these, as `gatherRecords` leaves it. */
function chunkOf(values: readonly (string | null)[]): RecordTarget {
  const bytes = values.map((text) => Buffer.from(`${text ?? ''}\0`))
  const buffer = Buffer.concat([...bytes, Buffer.from('"beyond the end"')])
  const chunk = new RecordTarget({ buffer, rowsMax: values.length, separator: 0, isJson: false, keepsNulls: true })
  for (const [row, text] of values.entries()) {
    chunk.length += bytes[row]?.length ?? 0
    chunk.ends[row] = chunk.length - 1
    const { nulls } = chunk
    if (text === null && nulls !== undefined) nulls[row >>> 3] = (nulls[row >>> 3] ?? 0) | (1 << (row & 7))
  }
  chunk.rows = values.length
  return chunk
}

/** What comes of it: a value, or the message of an error. */
function outcome(make: () => unknown): unknown {
  try {
    return make()
  } catch (error) {
    return String(error)
  }
}

test('a value of a chunk is what it is alone, whatever stands beside it', () => {
  fc.assert(
    fc.property(fc.array(fc.option(value), { minLength: 1, maxLength: 20 }), (values) => {
      const json = new ChunkJson(chunkOf(values))
      for (const [row, text] of values.entries()) {
        const expected = outcome(() => (text === null ? null : decodeJson(Buffer.from(text))))
        assert.deepEqual(
          outcome(() => json.value(row)),
          expected,
        )
      }
    }),
  )
})
