import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { MillraceError } from '../../core/errors.ts'
import { headerLines } from './header-safety.ts'

function refusal(error: unknown): boolean {
  return error instanceof MillraceError && error.code === 'CONFIG' && error.retry === 'halt'
}

test('plain fields become lines', () => {
  assert.equal(
    headerLines([
      ['format', 'csv'],
      ['column_separator', '\\x01'],
      ['empty', ''],
    ]),
    'format: csv\r\ncolumn_separator: \\x01\r\nempty: \r\n',
  )
})

test('whatever the value, one field is one line or refused', () => {
  const nasty = fc.string({
    unit: fc.constantFrom('\r', '\n', '\0', '\t', ' ', 'a', ':', '\u010d', '\u010a', 'é', '表', '\x7f'),
  })
  fc.assert(
    fc.property(
      fc.oneof(nasty, fc.string({ unit: 'binary' })),
      fc.oneof(nasty, fc.constant('columns')),
      (value, name) => {
        let lines: string
        try {
          lines = headerLines([[name, value]])
        } catch (error) {
          assert.ok(refusal(error))
          return
        }
        assert.equal(lines, `${name}: ${value}\r\n`)
        assert.match(lines, /^[^\r\n\0]+\r\n$/)
        assert.equal(Buffer.from(lines, 'latin1').toString('utf8'), lines)
      },
    ),
    { numRuns: 200 },
  )
})

test('fields that frame the message or carry the password cannot be given', () => {
  for (const name of ['Content-Length', 'transfer-encoding', 'HOST', 'Authorization', 'expect', 'Connection']) {
    assert.throws(() => headerLines([[name, 'x']]), refusal, name)
  }
  assert.throws(
    () =>
      headerLines([
        ['a', '1'],
        ['A', '2'],
      ]),
    refusal,
  )
})

test('a refusal names the field and keeps its value to itself', () => {
  assert.throws(
    () => headerLines([['where', 'canary\r\n']]),
    (error) => error instanceof MillraceError && error.message.includes('where') && !error.message.includes('canary'),
  )
})
