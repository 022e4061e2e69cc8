import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { JsonObject } from '../core/json.ts'
import { interpolate } from './interpolate.ts'
import { parseText } from './parse-yaml.ts'

function put(text: string, environment: Record<string, string> = {}): unknown {
  return interpolate({ a: text }, environment).value['a']
}

test('placeholders become the value of the variable, a default, or a literal', () => {
  assert.equal(put('x${A}y${B}', { A: '1', B: '2' }), 'x1y2')
  assert.equal(put('${A:-d}', {}), 'd')
  assert.equal(put('${A:-d}', { A: '' }), 'd')
  assert.equal(put('${A:-}', {}), '')
  assert.equal(put('${A}', { A: '' }), '')
  assert.equal(put('$${A} $A $', { A: '1' }), '${A} $A $')
  assert.equal(put('${A:-a:-b\nc}'), 'a:-b\nc')
})

test('what a variable holds is not looked at again', () => {
  assert.equal(put('${A}', { A: '${B}', B: 'x' }), '${B}')
  assert.equal(put('${A}', { A: '$${B}' }), '$${B}')
  assert.equal(put('$${A}${A}', { A: '$&$1' }), '${A}$&$1')
})

test('missing variables and broken placeholders are findings with their place', () => {
  const { findings } = interpolate({ a: ['${A}', '${B'], b: { c: '${not a name}' } }, {})
  assert.deepEqual(
    findings.map(({ path, message }) => [JSON.stringify(path), message]),
    [
      ['["a",0]', 'the environment variable A is not set'],
      ['["a",1]', 'expected ${NAME} or ${NAME:-default}'],
      ['["b","c"]', 'expected ${NAME} or ${NAME:-default}'],
    ],
  )
  assert.equal(interpolate({ a: '${constructor}${__proto__}' }, {}).findings.length, 2)
})

test('a value from the environment never makes structure, whatever it holds', () => {
  const hostile = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom('x\nadmin: true', '{a: 1}', '[1]', '&a', '*a', '${A}', '- x'),
  )
  fc.assert(
    fc.property(hostile, (value) => {
      const parsed = parseText('name: ${A}\nlist: [1, "${A}"]\nkey: {inner: "x${A}"}', 'x.yaml', 'yaml')
      const result = interpolate(parsed.value ?? {}, { A: value }).value
      const inner = (result['key'] as JsonObject)['inner']
      assert.deepEqual(
        [Object.keys(result), result['name'], result['list'], inner],
        [['name', 'list', 'key'], value, [1, value], `x${value}`],
      )
    }),
  )
})
