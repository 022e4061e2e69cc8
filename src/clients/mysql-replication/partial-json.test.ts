import assert from 'node:assert/strict'
import { test } from 'node:test'
import { documentOf, inserted, removed, replaced, treeOf } from './json-tree.ts'
import { jsonDocumentText } from './binary-json.ts'
import { pathOf } from './partial-json.ts'

/** A number of 16 bits as a document. */
function number(value: number): Buffer {
  const document = Buffer.alloc(3)
  document.writeUInt8(5, 0)
  document.writeInt16LE(value, 1)
  return document
}

/** `{"a": 1}` in the small form. */
const OBJECT = Buffer.from('0001000c000b00010005010061', 'hex')

test('a path has members and places, and names in quotes mean what they say', () => {
  assert.deepEqual(pathOf('$'), [])
  assert.deepEqual(pathOf('$.a[0]."b \\"c\\".d[1]"[12].é'), ['a', 0, 'b "c".d[1]', 12, 'é'])
  for (const wrong of ['a', '$a', '$[x]', '$.', '$[1', '$."a'])
    assert.throws(() => pathOf(wrong), { code: 'DECODE' }, wrong)
})

test('members are put in, changed and taken out in the order that the server keeps them in', () => {
  let tree = treeOf(OBJECT)
  assert.equal(jsonDocumentText(OBJECT), '{"a": 1}')
  for (const name of ['bb', 'c', '', 'ab']) tree = inserted(tree, [name], treeOf(number(name.length)))
  assert.equal(jsonDocumentText(documentOf(tree)), '{"": 0, "a": 1, "c": 1, "ab": 2, "bb": 2}')
  tree = replaced(removed(tree, ['a']), ['c'], treeOf(OBJECT))
  tree = replaced(treeOf(documentOf(tree)), ['c', 'a'], treeOf(number(-7)))
  assert.equal(jsonDocumentText(documentOf(tree)), '{"": 0, "c": {"a": -7}, "ab": 2, "bb": 2}')
})

test('a change that does not fit its document is refused', () => {
  const tree = (): ReturnType<typeof treeOf> => treeOf(OBJECT)
  const value = treeOf(number(1))
  for (const wrong of [
    () => replaced(tree(), ['b'], value),
    () => replaced(tree(), ['a', 'b'], value),
    () => removed(tree(), [0]),
    () => removed(tree(), []),
  ]) {
    assert.throws(wrong, { code: 'DECODE' })
  }
})
