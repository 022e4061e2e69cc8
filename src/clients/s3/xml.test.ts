import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { childrenOf, escapeXml, parseXml, textOf } from './xml.ts'

test('a listing is read: namespaces, attributes, comments and declarations are left out', () => {
  const root = parseXml(
    '<?xml version="1.0" encoding="UTF-8"?>\n<!-- made by x --><s3:List xmlns:s3="http://x/" a=\'>\'>' +
      '<Contents><Key>a&amp;b &#60;c&#x3e; &quot;d&quot;</Key><Size>12</Size></Contents>' +
      '<Contents><Key><![CDATA[<raw>]]></Key><Owner/></Contents><Empty></Empty></s3:List>',
  )
  assert.equal(root.name, 'List')
  assert.deepEqual(
    childrenOf(root, 'Contents').map((entry) => textOf(entry, 'Key')),
    ['a&b <c> "d"', '<raw>'],
  )
  assert.equal(textOf(root, 'Empty'), '')
  assert.equal(textOf(root, 'Missing'), undefined)
})

test('what is no such document is refused', () => {
  const bad = [
    '',
    'text',
    '<a>',
    '</a>',
    '<a></b>',
    '<a/><b/>',
    '<a',
    '<a><b></a></b>',
    '<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>',
    '<a>'.repeat(20) + '</a>'.repeat(20),
    '<html><p>unclosed</html>',
  ]
  for (const source of bad) assert.throws(() => parseXml(source), SyntaxError, source)
})

test('every text comes back as it was escaped', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      assert.equal(textOf(parseXml(`<r><t>${escapeXml(text)}</t></r>`), 't'), text)
    }),
  )
})

test('no input makes the parser fail in another way, or take long', () => {
  const piece = fc.constantFrom(
    '<',
    '>',
    '/',
    'a',
    '"',
    "'",
    '&',
    ';',
    '#x',
    '<a>',
    '</a>',
    '<![CDATA[',
    ']]>',
    '<!--',
    '=',
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 200 }), (pieces) => {
      try {
        parseXml(pieces.join(''))
      } catch (error) {
        assert.ok(error instanceof SyntaxError)
      }
    }),
  )
})
