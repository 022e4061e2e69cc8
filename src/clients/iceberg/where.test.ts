import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Scalar } from './scalar.ts'
import type { IcebergField, IcebergType } from './types.ts'
import { bindWhere } from './where.ts'
import { parseWhere } from './where-text.ts'

test('brackets, AND before OR, quoted names and doubled quotes', () => {
  assert.deepEqual(parseWhere(`a = 1 or "b c" <> 'it''s' and (d is not null or e in (1, -2.5))`), {
    kind: 'or',
    parts: [
      { kind: 'compare', column: 'a', comparison: '=', value: { kind: 'number', text: '1' } },
      {
        kind: 'and',
        parts: [
          { kind: 'compare', column: 'b c', comparison: '!=', value: { kind: 'text', text: "it's" } },
          {
            kind: 'or',
            parts: [
              { kind: 'null', column: 'd', isNull: false },
              {
                kind: 'in',
                column: 'e',
                values: [
                  { kind: 'number', text: '1' },
                  { kind: 'number', text: '-2.5' },
                ],
              },
            ],
          },
        ],
      },
    ],
  })
})

for (const text of [
  '',
  'a',
  'a =',
  'a = b',
  '(a = 1',
  'a = 1)',
  'a LIKE 1',
  "a = 'x",
  'a = 1 b = 2',
  'a IN ()',
  '; drop',
  'a is 1',
]) {
  test(`${JSON.stringify(text)} is refused`, () => {
    assert.throws(() => parseWhere(text), { code: 'CONFIG' })
  })
}

test('brackets do not nest without end', () => {
  assert.throws(() => parseWhere(`${'('.repeat(10_000)}a = 1`), { code: 'CONFIG' })
})

const decimal: IcebergType = { kind: 'decimal', precision: 9, scale: 2 }
const CASES: readonly [type: IcebergType, text: string, scalar: Scalar | undefined][] = [
  [{ kind: 'long' }, '9007199254740993', 9_007_199_254_740_993n],
  [{ kind: 'int' }, '1.5', undefined],
  [{ kind: 'int' }, "'1'", undefined],
  [{ kind: 'float' }, '0.1', Math.fround(0.1)],
  [decimal, '-1.5', -150n],
  [decimal, '.05', 5n],
  [decimal, '1.005', undefined],
  [{ kind: 'boolean' }, 'TRUE', true],
  [{ kind: 'date' }, "'1970-01-02'", 1n],
  [{ kind: 'date' }, "'2023-02-29'", undefined],
  [{ kind: 'time' }, "'00:00:01.5'", 1_500_000n],
  [{ kind: 'timestamp' }, "'1970-01-01 00:00:01'", 1_000_000n],
  [{ kind: 'timestamp' }, "'1970-01-01T00:00:01Z'", undefined],
  [{ kind: 'timestamptz' }, "'1970-01-01T01:00:00+01:00'", 0n],
  [{ kind: 'timestamptz' }, "'1970-01-01T00:00:00'", undefined],
  [{ kind: 'string' }, "'é'", Buffer.from('é')],
  [{ kind: 'uuid' }, "'f79c3e09-677c-4bbd-a479-3f349cb785e7'", Buffer.from('f79c3e09677c4bbda4793f349cb785e7', 'hex')],
  [{ kind: 'binary' }, "'x'", undefined],
]
for (const [type, text, scalar] of CASES) {
  test(`${text} ${scalar === undefined ? 'is no value' : 'is a value'} of ${type.kind}`, () => {
    const field: IcebergField = { id: 1, name: 'a', required: false, type }
    const bind = (): unknown => bindWhere(parseWhere(`A = ${text}`), [field])
    if (scalar === undefined) assert.throws(bind, { code: 'CONFIG' })
    else {
      assert.deepEqual(bind(), {
        kind: 'compare',
        column: field,
        comparison: '=',
        value: { scalar, text: text.replaceAll("'", '').replace('TRUE', 'true') },
      })
    }
  })
}
