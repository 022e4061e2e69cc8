import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Page } from './page.ts'
import { RowCursor } from './row-cursor.ts'

interface Change {
  readonly key: string
  readonly row: string
  readonly isDelete: boolean
}

function encoded(changes: readonly Change[]): RowCursor {
  const lines = changes.map(
    ({ key, row, isDelete }) =>
      `${Buffer.byteLength(key)} ${Buffer.byteLength(row)} ${isDelete ? 1 : 0} ${key}${row}\n`,
  )
  const bytes = Buffer.from(lines.join(''))
  // Behind the end there may be rests of what was encoded before.
  return new RowCursor(Buffer.concat([bytes, Buffer.from('7 7 0 rest')]), bytes.length)
}

function inOrder(keys: Iterable<string>): string[] {
  const bytes = (text: string): Buffer => Buffer.from(text)
  return [...keys].sort(
    (one, other) => bytes(one).length - bytes(other).length || Buffer.compare(bytes(one), bytes(other)),
  )
}

const change: fc.Arbitrary<Change> = fc.record({
  // Few enough to meet again, and also longer than what is compared at once.
  key: fc.oneof(
    fc.integer({ min: 0, max: 40 }).map(String),
    fc.constantFrom('', 'é', 'key of thirty-two bytes or more 1', 'key of thirty-two bytes or more 2', '\u{1f600}\0\n'),
  ),
  row: fc.string({ unit: 'grapheme', maxLength: 300 }),
  isDelete: fc.boolean(),
})

test('a page holds the last change of each key, in the order of the keys, however often it is cleared', () => {
  const page = new Page()
  fc.assert(
    fc.property(fc.array(change, { maxLength: 1200 }), fc.constantFrom('', '7,8,'), (changes, prefix) => {
      const model = new Map<string, string | undefined>()
      page.clear()
      const row = encoded(changes)
      for (const { key, row: text, isDelete } of changes) {
        assert.ok(row.next())
        assert.equal(row.isDelete, isDelete)
        if (isDelete) page.delete(row)
        else page.put(row, prefix)
        model.set(key, isDelete ? undefined : `${prefix}${text}`)
      }
      assert.ok(!row.next())
      const keys = inOrder(model.keys())
      const puts = keys.map((key) => model.get(key)).filter((text) => text !== undefined)
      const deletes = keys.filter((key) => model.get(key) === undefined)
      assert.equal(page.join('rows', ['<', '|', '>']).toString(), `<${puts.join('|')}>`)
      assert.equal(page.join('keys', ['[', '),(', ']']).toString(), `[${deletes.join('),(')}]`)
      assert.deepEqual([page.rows, page.puts, page.deletes], [model.size, puts.length, deletes.length])
      assert.equal(page.size, Buffer.byteLength(puts.join('') + deletes.join('')))
    }),
    { numRuns: 60 },
  )
})

test('rows without a key stay as many as they are, in their order', () => {
  const page = new Page()
  const changes = Array.from({ length: 700 }, (_, at) => ({ key: '', row: `row ${at}`, isDelete: false }))
  const row = encoded(changes)
  for (let at = 0; row.next(); at++) page.append(row, `${at},`)
  const texts = changes.map((one, at) => `${at},${one.row}`)
  assert.equal(page.join('rows', ['', ';', '']).toString(), texts.join(';'))
})
