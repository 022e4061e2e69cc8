import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeJson, encodeJson, JsonNumber } from './exact-json.ts'

test('numbers keep all their digits, there and back', () => {
  const numbers = [
    '9007199254740993',
    '-9223372036854775808',
    '0.12345678901234567890',
    '1e400',
    '1.5E-400',
    '-0.5',
    '7',
  ]
  for (const text of numbers) assert.equal(encodeJson(decodeJson(text)), text)
  assert.deepEqual(decodeJson('{"a":1,"b":9007199254740993}'), { a: 1, b: 9007199254740993n })
})

test('digits inside of texts stay texts', () => {
  const text = '["90071992547409931234", {"90071992547409931234": "1.00000000000000000001"}]'
  assert.deepEqual(decodeJson(text), JSON.parse(text))
})

test('any JSON comes back as it was, also from bytes', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.bigInt(), (value, big) => {
      const given = { value, big: BigInt.asIntN(128, big) * 2n ** 60n + 2n ** 70n }
      const text = encodeJson(given)
      assert.equal(encodeJson(decodeJson(Buffer.from(text))), text)
    }),
  )
})

test('a number with more digits than a double has is found wherever it stands', () => {
  for (let before = 0; before < 40; before++)
    for (let after = 0; after < 20; after++) {
      const text = `["${'x'.repeat(before)}",9007199254740993,"${'y'.repeat(after)}"]`
      assert.equal(encodeJson(decodeJson(text)), text)
      assert.equal(encodeJson(decodeJson(text.replace('993', '9.3'))), text.replace('993', '9.3'))
    }
})

test('what is no number is refused', () => {
  for (const text of ['1,5', '01', '.5', 'NaN', '']) assert.throws(() => new JsonNumber(text), SyntaxError)
})
