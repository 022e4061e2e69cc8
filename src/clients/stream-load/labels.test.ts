import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { MillraceError } from '../../core/errors.ts'
import { hash8 } from '../../core/name-token.ts'
import { isLabelOf, LABEL_BYTES_MAX, labelOf, type LabelParts, parseLabel } from './labels.ts'

const number = fc.oneof(fc.nat(30), fc.maxSafeNat())
const small = fc.nat(999_999)
/** Names made of the separators and the letters that mark numbers: what could be mistaken for structure. */
const hostile = fc.string({ unit: fc.constantFrom('_', '-', 'e', 'c', 'a', 'l', '1', '0', 'é', '表'), maxLength: 12 })
const parts: fc.Arbitrary<LabelParts> = fc
  .record(
    {
      prefix: fc.string({ unit: fc.constantFrom('_', '-', 'e', 'a', '1', 'Z'), minLength: 1, maxLength: 40 }),
      jobUid: hostile,
      sink: fc.oneof(hostile, fc.string({ maxLength: 60 })),
      table: hostile,
      writer: fc.nat(9_999),
      epoch: number,
      checkpoint: number,
      attempt: small,
      load: fc.option(small, { nil: undefined }),
    },
    { requiredKeys: ['prefix', 'jobUid', 'sink', 'table', 'writer', 'epoch', 'checkpoint', 'attempt'] },
  )
  .map(({ load, ...rest }) => ({ ...rest, ...(load === undefined ? {} : { load }) }))

test('a label spells out everything but long and foreign names', () => {
  const label = labelOf({
    prefix: 'mr',
    jobUid: 'j',
    sink: 'warehouse',
    table: 'db.t',
    writer: 3,
    epoch: 2,
    checkpoint: 41,
    attempt: 0,
  })
  assert.equal(label, `mr_${hash8('j')}_warehouse_${hash8('db.t')}_3_e2_c41_a0`)
})

test('labels fit the servers’ alphabet and length and are read back', () => {
  fc.assert(
    fc.property(parts, (given) => {
      const label = labelOf(given)
      assert.match(label, /^[A-Za-z0-9_-]+$/)
      assert.ok(Buffer.byteLength(label) <= LABEL_BYTES_MAX)
      const parsed = parseLabel(label)
      assert.ok(parsed !== undefined)
      const { sinkToken, ...rest } = parsed
      const { prefix, jobUid, sink, table, ...numbers } = given
      assert.deepEqual(rest, { prefix, jobHash: hash8(jobUid), tableHash: hash8(table), ...numbers })
      assert.ok(sinkToken.length > 0 && isLabelOf(parsed, { prefix, jobUid, sink }))
    }),
  )
})

test('two different sets of parts never give one label', () => {
  const near = fc.tuple(
    parts,
    parts,
    fc.subarray(['prefix', 'jobUid', 'sink', 'table', 'writer', 'epoch', 'checkpoint', 'attempt'] as const),
  )
  fc.assert(
    fc.property(near, ([one, other, shared]) => {
      // Pairs that agree in most parts are the ones that could meet.
      const mixed = { ...other, ...Object.fromEntries(shared.map((key) => [key, one[key]])) }
      const isSame = labelOf(one) === labelOf(mixed)
      assert.equal(isSame, JSON.stringify(sorted(one)) === JSON.stringify(sorted(mixed)))
    }),
    { numRuns: 1_000 },
  )
})

function sorted(value: LabelParts): unknown {
  return Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1))
}

test('a prefix cannot borrow the next part of the label', () => {
  const base = { table: 't', writer: 0, epoch: 1, checkpoint: 1, attempt: 0 }
  const one = labelOf({ ...base, prefix: 'a', jobUid: 'j', sink: `${hash8('k')}_s` })
  const other = labelOf({ ...base, prefix: `a_${hash8('j')}`, jobUid: 'k', sink: 's' })
  assert.notEqual(one, other)
})

test('texts that are no labels of ours are not parsed', () => {
  const label = labelOf({
    prefix: 'mr',
    jobUid: 'j',
    sink: 's',
    table: 't',
    writer: 0,
    epoch: 1,
    checkpoint: 1,
    attempt: 0,
  })
  for (const text of [
    '',
    'flink-ev-0-1',
    `${label}x`,
    label.replace('e1', 'e01'),
    `${label}_l`,
    label.replace('e1', 'e99999999999999999'),
  ]) {
    assert.equal(parseLabel(text), undefined, text)
  }
})

test('a prefix outside the alphabet is a mistake of the configuration', () => {
  for (const prefix of ['', 'a b', 'a\r\nb', 'ä', 'x'.repeat(41)]) {
    const make = (): string =>
      labelOf({ prefix, jobUid: 'j', sink: 's', table: 't', writer: 0, epoch: 1, checkpoint: 1, attempt: 0 })
    assert.throws(make, (error) => error instanceof MillraceError && error.code === 'CONFIG')
  }
})

test('a label that would be too long gives up the name of its sink, and is still its own', () => {
  const max = Number.MAX_SAFE_INTEGER
  const given = {
    prefix: 'p'.repeat(40),
    jobUid: 'j',
    sink: 's'.repeat(32),
    table: 't',
    writer: 9_999,
    epoch: max,
    checkpoint: max,
    attempt: 999_999,
    load: 999_999,
  }
  const label = labelOf(given)
  assert.ok(label.length <= LABEL_BYTES_MAX && !label.includes('sss'))
  const parsed = parseLabel(label)
  assert.ok(parsed !== undefined && isLabelOf(parsed, given))
})

test('labels of another prefix, job or sink are not taken for ours', () => {
  const ours = { prefix: 'mr', jobUid: 'j', sink: 'orders_sink' }
  const parsed = parseLabel(labelOf({ ...ours, table: 't', writer: 0, epoch: 1, checkpoint: 1, attempt: 0 }))
  assert.ok(parsed !== undefined && isLabelOf(parsed, ours))
  for (const other of [{ prefix: 'mr2' }, { jobUid: 'k' }, { sink: 'orders-sink' }, { sink: 'orders' }]) {
    assert.ok(!isLabelOf(parsed, { ...ours, ...other }))
  }
})
