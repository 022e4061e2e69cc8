import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { findingsText } from './findings-text.ts'
import { createOutput } from './output.ts'
import { tableText } from './table.ts'
import { paint, renderText, singleLine } from './terminal.ts'

/** What a terminal would obey: controls except line feed and tab, and marks that turn the direction of text. */
const OBEYED = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/

function outputOf(
  isJson: boolean,
  environment: Record<string, string> = {},
  isTTY = false,
): { text: string; output: ReturnType<typeof createOutput> } {
  const written = { text: '' }
  const stream = { isTTY, write: (text: string | Uint8Array) => ((written.text += String(text)), true) }
  return Object.assign(written, { output: createOutput(isJson, { stdout: stream, stderr: stream, environment }) })
}

test('control characters from data are shown instead of obeyed, on every way out', () => {
  const hostile = [
    '\u001b[2J',
    '\u001b]0;owned\u0007',
    'a\rb',
    '\b\b\b',
    '\u009b31m',
    '\u202eabc',
    'x\u0000y',
    '\u001b[31mred\u001b[0m',
  ]
  for (const data of hostile) {
    const finding = { file: data, severity: 'error', code: 'CONFIG', message: data, hint: data, path: [data] } as const
    for (const text of [
      findingsText([finding]),
      tableText([
        ['a', 'b'],
        [data, data],
      ]),
      paint('red', data),
    ]) {
      assert.doesNotMatch(renderText(text, false), OBEYED)
      assert.doesNotMatch(renderText(text, true).replaceAll(/\u001b\[(0|1|2|31|32|33)m/g, ''), OBEYED)
    }
    const machine = outputOf(true)
    machine.output.json({ data })
    assert.doesNotMatch(machine.text, OBEYED)
    assert.deepEqual(JSON.parse(machine.text), { data })
  }
})

test('whatever a line of data holds, it stays one line', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (data) => {
      const line = renderText(singleLine(data), false)
      assert.doesNotMatch(line, OBEYED)
      assert.ok(!/[\n\u2028\u2029]/.test(line))
    }),
  )
})

test('colours appear on a terminal only, and NO_COLOR wins', () => {
  const printed = (environment: Record<string, string>, isTTY: boolean): string => {
    const one = outputOf(false, environment, isTTY)
    one.output.print(paint('red', 'x'))
    return one.text
  }
  assert.equal(printed({}, true), '\u001b[31mx\u001b[0m')
  assert.equal(printed({}, false), 'x')
  assert.equal(printed({ NO_COLOR: '1' }, true), 'x')
  assert.equal(printed({ NO_COLOR: '1', FORCE_COLOR: '1' }, true), 'x')
  assert.equal(printed({ FORCE_COLOR: '1' }, false), '\u001b[31mx\u001b[0m')
  assert.equal(printed({ TERM: 'dumb' }, true), 'x')
})

test('nothing for people is printed under --json', () => {
  const one = outputOf(true)
  one.output.print('x')
  one.output.warn('x')
  assert.equal(one.text, '')
})
