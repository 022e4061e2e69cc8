/** What is left out must not hold a row that matches: random rows, files, partitions and conditions. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { ContentFile } from './manifest.ts'
import { parseTransform } from './partition-transform.ts'
import { fileMayMatch, manifestMayMatch } from './pruning.ts'
import { compareScalars, type Scalar } from './scalar.ts'
import type { PartitionSpec } from './table-metadata.ts'
import type { IcebergField } from './types.ts'
import type { BoundValue, Where } from './where.ts'
import type { Comparison } from './where-text.ts'

const ID: IcebergField = { id: 1, name: 'id', required: false, type: { kind: 'long' } }
const TEXT: IcebergField = { id: 2, name: 'text', required: false, type: { kind: 'string' } }
const AT: IcebergField = { id: 3, name: 'at', required: false, type: { kind: 'timestamp' } }
const RATIO: IcebergField = { id: 4, name: 'ratio', required: false, type: { kind: 'double' } }
const FIELDS: readonly IcebergField[] = [ID, TEXT, AT, RATIO]
const COLUMNS = new Map(FIELDS.map((field) => [field.id, field]))

type Row = ReadonlyMap<number, Scalar>

const values: Readonly<Record<number, fc.Arbitrary<Scalar>>> = {
  // Few values, so that they meet: in a file, in a partition, and in the condition.
  1: fc.bigInt({ min: -9n, max: 9n }),
  2: fc.string({ maxLength: 4, unit: fc.constantFrom('a', 'b', 'é', '😀') }).map((text) => Buffer.from(text)),
  3: fc.bigInt({ min: -60n, max: 60n }).map((halfHours) => halfHours * 1_800_000_000n),
  4: fc.oneof(fc.integer({ min: -3, max: 3 }), fc.constant(Number.NaN)),
}

function valueOf(id: number): fc.Arbitrary<Scalar> {
  return values[id] ?? fc.constant(0n)
}

const row: fc.Arbitrary<Row> = fc
  .tuple(...FIELDS.map(({ id }) => fc.option(valueOf(id), { nil: undefined })))
  .map((all) => new Map(all.flatMap((value, index) => (value === undefined ? [] : [[FIELDS[index]?.id ?? 0, value]]))))

const COMPARISONS: readonly Comparison[] = ['=', '!=', '<', '<=', '>', '>=']
const bound = (id: number): fc.Arbitrary<BoundValue> =>
  valueOf(id)
    .filter((value) => !Number.isNaN(value))
    .map((scalar) => ({ scalar, text: '' }))

const leaf: fc.Arbitrary<Where> = fc.constantFrom(...FIELDS).chain((column) =>
  fc.oneof(
    fc.record({
      kind: fc.constant('compare' as const),
      column: fc.constant(column),
      comparison: fc.constantFrom(...COMPARISONS),
      value: bound(column.id),
    }),
    fc.record({
      kind: fc.constant('in' as const),
      column: fc.constant(column),
      values: fc.array(bound(column.id), { minLength: 1, maxLength: 3 }),
    }),
    fc.record({ kind: fc.constant('null' as const), column: fc.constant(column), isNull: fc.boolean() }),
  ),
)
const where: fc.Arbitrary<Where> = fc.oneof(
  leaf,
  fc.record({
    kind: fc.constantFrom('and' as const, 'or' as const),
    parts: fc.array(leaf, { minLength: 1, maxLength: 3 }),
  }),
)

const TRANSFORMS: readonly (readonly [sourceId: number, transform: string])[] = [
  [1, 'identity'],
  [1, 'truncate[7]'],
  [1, 'bucket[4]'],
  [2, 'truncate[2]'],
  [2, 'bucket[3]'],
  [3, 'year'],
  [3, 'month'],
  [3, 'day'],
  [3, 'hour'],
  [4, 'identity'],
  [1, 'void'],
  [2, 'void'],
  [3, 'void'],
  [4, 'void'],
]

test('a file that is left out holds no row that matches, and so does a manifest', () => {
  fc.assert(
    fc.property(fc.array(row, { maxLength: 8 }), where, fc.constantFrom(...TRANSFORMS), (all, condition, by) => {
      const spec: PartitionSpec = { id: 0, fields: [{ fieldId: 1000, sourceId: by[0], transform: by[1] }] }
      const files = filesOf(all, spec)
      for (const { file, rows } of files) {
        if (fileMayMatch(condition, file, spec, COLUMNS)) continue
        assert.ok(!rows.some((one) => matches(condition, one)), 'a file was left out that holds a row')
      }
      if (manifestMayMatch(condition, manifestOf(files.map(({ file }) => file)), spec, COLUMNS)) return
      assert.ok(!all.some((one) => matches(condition, one)), 'a manifest was left out that holds a row')
    }),
    { numRuns: 3000 },
  )
})

test('a condition on a partition leaves other partitions out', () => {
  const spec: PartitionSpec = { id: 0, fields: [{ fieldId: 1000, sourceId: 1, transform: 'identity' }] }
  const files = filesOf([new Map([[1, 1n]]), new Map([[1, 2n]]), new Map()], spec)
  const kept = (condition: Where): number =>
    files.filter(({ file }) => fileMayMatch(condition, file, spec, COLUMNS)).length
  assert.equal(kept({ kind: 'compare', column: ID, comparison: '=', value: { scalar: 2n, text: '2' } }), 1)
  assert.equal(kept({ kind: 'null', column: ID, isNull: true }), 1)
  assert.equal(kept({ kind: 'null', column: ID, isNull: false }), 2)
})

/** As SQL sees it: NaN is the greatest number. */
function matches(condition: Where, one: Row): boolean {
  if ('parts' in condition) {
    const results = condition.parts.map((part) => matches(part, one))
    return condition.kind === 'and' ? results.every(Boolean) : results.some(Boolean)
  }
  const value = one.get(condition.column.id)
  if (condition.kind === 'null') return condition.isNull === (value === undefined)
  if (value === undefined) return false
  if (condition.kind === 'in') return condition.values.some(({ scalar }) => order(value, scalar) === 0)
  const compared = order(value, condition.value.scalar)
  const { comparison } = condition
  if (comparison === '=') return compared === 0
  if (comparison === '!=') return compared !== 0
  return comparison.startsWith('<')
    ? compared < 0 || (compared === 0 && comparison === '<=')
    : compared > 0 || (compared === 0 && comparison === '>=')
}

function order(left: Scalar, right: Scalar): number {
  return Number.isNaN(left) ? 1 : compareScalars(left, right)
}

/** Rows as a writer would put them into files, with the statistics of each. */
function filesOf(all: readonly Row[], spec: PartitionSpec): { file: ContentFile; rows: readonly Row[] }[] {
  const [field] = spec.fields
  const transform = parseTransform(field?.transform ?? '')
  const partitionOf = (one: Row): Scalar | undefined => {
    const value = one.get(field?.sourceId ?? 0)
    const type = COLUMNS.get(field?.sourceId ?? 0)?.type
    if (value === undefined || type === undefined) return undefined
    return Number.isNaN(value) && transform?.isIdentity === true ? value : transform?.apply(value, type)
  }
  const groups = Map.groupBy(all, (one) => {
    const value = partitionOf(one)
    return Buffer.isBuffer(value) ? value.toString('hex') : String(value)
  })
  return [...groups.values()].map((rows) => {
    const value = rows[0] && partitionOf(rows[0])
    return { file: fileOf(rows, value), rows }
  })
}

function fileOf(rows: readonly Row[], partition: Scalar | undefined): ContentFile {
  const per = <V>(make: (present: readonly Scalar[], id: number) => V | undefined): Map<number, V> =>
    new Map(
      FIELDS.flatMap(({ id }) => {
        const made = make(
          rows.flatMap((one) => one.get(id) ?? []),
          id,
        )
        return made === undefined ? [] : [[id, made] as const]
      }),
    )
  const numbers = (present: readonly Scalar[]): Scalar[] =>
    present.filter((value) => !Number.isNaN(value)).sort(compareScalars)
  return {
    content: 'data',
    path: 'f',
    format: 'parquet',
    specId: 0,
    partition: new Map(partition === undefined ? [] : [[1000, partition]]),
    records: rows.length,
    size: 1,
    valueCounts: per(() => rows.length),
    nullCounts: per((present) => rows.length - present.length),
    nanCounts: per((present, id) => (id === 4 ? present.filter((value) => Number.isNaN(value)).length : undefined)),
    lower: per((present) => bytesOf(numbers(present)[0])),
    upper: per((present) => bytesOf(numbers(present).at(-1))),
    splitOffsets: undefined,
    equalityIds: undefined,
    referencedDataFile: undefined,
    sequenceNumber: 1,
  }
}

function manifestOf(files: readonly ContentFile[]): Parameters<typeof manifestMayMatch>[1] {
  const found = files.map(({ partition }) => partition.get(1000) as Scalar | undefined)
  const numbers = found
    .filter((value): value is Scalar => value !== undefined && !Number.isNaN(value))
    .sort(compareScalars)
  const partitions = [
    {
      containsNull: found.includes(undefined),
      containsNan: found.some((value) => Number.isNaN(value)),
      lower: bytesOf(numbers[0], true),
      upper: bytesOf(numbers.at(-1), true),
    },
  ]
  return { path: 'm', specId: 0, content: 'data', sequenceNumber: 1, addedSnapshotId: '1', partitions }
}

function bytesOf(value: Scalar | undefined, isNarrow = false): Buffer | undefined {
  if (value === undefined || Buffer.isBuffer(value)) return value
  const bytes = Buffer.alloc(8)
  if (typeof value === 'number') bytes.writeDoubleLE(value)
  else if (isNarrow && BigInt.asIntN(32, BigInt(value)) === BigInt(value)) {
    bytes.writeInt32LE(Number(value))
    return bytes.subarray(0, 4)
  } else bytes.writeBigInt64LE(BigInt(value))
  return bytes
}
