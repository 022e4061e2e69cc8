import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { DelimiterCounter, DelimiterSplitter, JsonRowSplitter } from './splitters.ts'

/** Cuts bytes at the given places. */
function pieces(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]
  return places.slice(1).map((end, i) => bytes.subarray(places[i], end))
}

const cuts = fc.array(fc.nat(), { maxLength: 6 })

test('JSON rows come out whole, however the document is cut into pieces', () => {
  const rows = fc.array(fc.dictionary(fc.string(), fc.jsonValue(), { maxKeys: 4 }), { maxLength: 6 })
  fc.assert(
    fc.property(rows, cuts, fc.constantFrom(0, 2), (expected, places, indent) => {
      const document = Buffer.from(JSON.stringify(expected, null, indent))
      const found: unknown[] = []
      const splitter = new JsonRowSplitter({ stripOuterArray: true, isCounting: false })
      const counter = new JsonRowSplitter({ stripOuterArray: true, isCounting: true })
      for (const piece of pieces(document, places)) {
        splitter.push(piece, (text) => found.push(JSON.parse(text)))
        counter.push(piece, () => assert.fail('counting must not build rows'))
      }
      assert.equal(splitter.end(), undefined)
      assert.deepEqual(found, JSON.parse(JSON.stringify(expected)))
      assert.equal(counter.rows, expected.length)
    }),
  )
})

test('a JSON document that was cut off is complained about', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue(), { minKeys: 1 }), fc.nat(), (row, cut) => {
      const document = Buffer.from(JSON.stringify([row]))
      const splitter = new JsonRowSplitter({ stripOuterArray: true, isCounting: false })
      splitter.push(document.subarray(0, 1 + (cut % (document.length - 1))), () => undefined)
      assert.notEqual(splitter.end(), undefined)
    }),
  )
})

test('lines come out whole and are counted alike, whatever the delimiter', () => {
  const lines = fc.array(fc.string({ unit: fc.constantFrom('a', 'é', ';', '|') }), { minLength: 1, maxLength: 6 })
  fc.assert(
    fc.property(lines, fc.constantFrom('\n', '\r\n', '\u0001\u0002'), cuts, (expected, delimiter, places) => {
      const bytes = Buffer.from(expected.map((line) => line + delimiter).join(''))
      const splitter = new DelimiterSplitter(delimiter)
      const counter = new DelimiterCounter(delimiter)
      const found: string[] = []
      for (const piece of pieces(bytes, places)) {
        found.push(...splitter.push(piece))
        counter.push(piece)
      }
      counter.end()
      assert.deepEqual(found, expected)
      assert.equal(splitter.end(), undefined)
      assert.equal(counter.rows, expected.length)
    }),
  )
})
