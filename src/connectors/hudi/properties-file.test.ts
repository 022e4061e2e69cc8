import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { MillraceError } from '../../core/errors.ts'
import { formatProperties, parseProperties, tableChecksum } from './properties-file.ts'

test('the checksum is that of tables written by Java', () => {
  assert.equal(tableChecksum('default', 'v6_nonpartitioned'), '1363530505')
  assert.equal(tableChecksum('default', 'v8_empty'), '640695144')
  assert.equal(tableChecksum('', 'unpart_nomdt'), '500035353')
})

test('escapes, comments, separators and continued lines of Java properties are understood', () => {
  const text = [
    '#a comment=1',
    '  ! another',
    '',
    'a=1',
    'b : two words ',
    'c three',
    'd\\ e\\:f=\\u0041\\tB\\\\',
    'long=one,\\',
    '   two',
    'empty=',
    'schema={"a"\\:"b"}',
  ].join('\r\n')
  assert.deepEqual(parseProperties(text), {
    a: '1',
    b: 'two words ',
    c: 'three',
    'd e:f': 'A\tB\\',
    long: 'one,two',
    empty: '',
    schema: '{"a":"b"}',
  })
})

test('what is written is read back, and the way hudi-rs and Daft read it too', () => {
  const key = fc.stringMatching(/^[a-z][a-z0-9._]{0,20}$/)
  const value = fc.stringMatching(/^[\x21-\x3c\x3e-\x5b\x5d-\x7e][\x20-\x3c\x3e-\x5b\x5d-\x7e]{0,40}$/)
  fc.assert(
    fc.property(fc.dictionary(key, value, { noNullPrototype: true }), (properties) => {
      const text = formatProperties(properties)
      assert.deepEqual(parseProperties(text), properties)
      const simple = text
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => line.split('='))
      for (const parts of simple) assert.equal(parts.length, 2)
      assert.deepEqual(Object.fromEntries(simple.map(([k, v]) => [k, v?.replaceAll('\\:', ':')])), properties)
    }),
  )
})

test('a value that some reader would misread is refused', () => {
  for (const bad of ['a=b', 'a\\b', 'a\nb', 'ä']) {
    assert.throws(() => formatProperties({ key: bad }), MillraceError)
  }
})
