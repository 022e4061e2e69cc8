import type { ContentFile } from './manifest.ts'
import type { ManifestFile } from './manifest-list.ts'
import { parseTransform, type PartitionTransform } from './partition-transform.ts'
import { compareScalars, decodeBound, partitionScalar, type Scalar } from './scalar.ts'
import type { PartitionSpec } from './table-metadata.ts'
import type { IcebergField, IcebergType } from './types.ts'
import type { Where } from './where.ts'
import type { Comparison } from './where-text.ts'

/** What is known of the values of a column, or of a partition field, in a file or a manifest. */
export interface ValueRange {
  readonly lower: Scalar | undefined
  readonly upper: Scalar | undefined
  readonly mayBeNull: boolean
  readonly isAllNull: boolean
  /** NaN lies outside of the bounds; SQL compares it as the greatest number. */
  readonly mayBeNan: boolean
}

/** False only when no row of the file can match. */
export function fileMayMatch(
  where: Where,
  file: ContentFile,
  spec: PartitionSpec | undefined,
  columns: ReadonlyMap<number, IcebergField>,
): boolean {
  const parts = partitionParts(spec, columns)
  return mayMatch(where, (leaf) => {
    if (!leafMayMatch(leaf, columnRange(file, leaf.column))) return false
    return parts.every((part) => {
      if (part.sourceId !== leaf.column.id) return true
      const value = partitionScalar(part.type, file.partition.get(part.fieldId))
      return partitionMayMatch(leaf, part.transform, exactly(value))
    })
  })
}

/** False only when no file of the manifest can match. */
export function manifestMayMatch(
  where: Where,
  manifest: ManifestFile,
  spec: PartitionSpec | undefined,
  columns: ReadonlyMap<number, IcebergField>,
): boolean {
  const { partitions } = manifest
  if (partitions === undefined || partitions.length !== spec?.fields.length) return true
  const parts = partitionParts(spec, columns)
  return mayMatch(where, (leaf) =>
    parts.every((part) => {
      const summary = partitions[part.index]
      if (part.sourceId !== leaf.column.id || summary === undefined) return true
      const lower = decodeBound(part.type, summary.lower)
      const upper = decodeBound(part.type, summary.upper)
      return partitionMayMatch(leaf, part.transform, {
        lower,
        upper,
        mayBeNull: summary.containsNull,
        isAllNull: summary.containsNull && lower === undefined && upper === undefined && !summary.containsNan,
        mayBeNan: summary.containsNan,
      })
    }),
  )
}

/** False only when no row can match whose columns have values in these ranges. */
export function rangesMayMatch(where: Where, range: (column: IcebergField) => ValueRange): boolean {
  return mayMatch(where, (leaf) => leafMayMatch(leaf, range(leaf.column)))
}

type Leaf = Extract<Where, { kind: 'compare' | 'in' | 'null' }>

function mayMatch(where: Where, leaf: (one: Leaf) => boolean): boolean {
  if ('parts' in where && where.kind === 'and') return where.parts.every((part) => mayMatch(part, leaf))
  if ('parts' in where) return where.parts.some((part) => mayMatch(part, leaf))
  return leaf(where)
}

/** False only when no value of the range can match. */
function leafMayMatch(leaf: Leaf, range: ValueRange): boolean {
  if (leaf.kind === 'null') return leaf.isNull ? range.mayBeNull : !range.isAllNull
  if (range.isAllNull) return false
  if (leaf.kind === 'in') return leaf.values.some(({ scalar }) => compareMayMatch('=', scalar, range))
  return compareMayMatch(leaf.comparison, leaf.value.scalar, range)
}

function compareMayMatch(comparison: Comparison, value: Scalar, { lower, upper, mayBeNan }: ValueRange): boolean {
  const isBelow = upper !== undefined && compareScalars(upper, value) < 0
  const isAbove = lower !== undefined && compareScalars(lower, value) > 0
  switch (comparison) {
    case '=':
      return !isBelow && !isAbove
    case '<':
      return lower === undefined || compareScalars(lower, value) < 0
    case '<=':
      return !isAbove
    case '>':
      return mayBeNan || upper === undefined || compareScalars(upper, value) > 0
    case '>=':
      return mayBeNan || !isBelow
    case '!=':
      // Bounds of texts may be cut short, so equal bounds prove nothing.
      return true
  }
}

/** The same for values that went through a partition transform. */
function partitionMayMatch(leaf: Leaf, transform: PartitionTransform, range: ValueRange): boolean {
  if (transform.isIdentity || leaf.kind === 'null') return leafMayMatch(leaf, range)
  if (range.isAllNull) return false
  if (leaf.kind === 'in') {
    return leaf.values.some(({ scalar }) => transformedMayMatch('=', scalar, leaf.column.type, transform, range))
  }
  return transformedMayMatch(leaf.comparison, leaf.value.scalar, leaf.column.type, transform, range)
}

function transformedMayMatch(
  comparison: Comparison,
  value: Scalar,
  type: IcebergType,
  transform: PartitionTransform,
  range: ValueRange,
): boolean {
  const result = transform.apply(value, type)
  if (result === undefined || comparison === '!=') return true
  if (!transform.isOrdered && comparison !== '=') return true
  // One partition value covers many values, so `<` has to let its own partition in.
  const widened = comparison === '<' ? '<=' : comparison === '>' ? '>=' : comparison
  if (!transform.isTime || typeof result !== 'bigint' || result > 0n) return compareMayMatch(widened, result, range)
  return [result - 1n, result, result + 1n].some((near) => compareMayMatch(widened, near, range))
}

function columnRange(file: ContentFile, { id, type }: IcebergField): ValueRange {
  const values = file.valueCounts.get(id)
  const nulls = file.nullCounts.get(id)
  const isFloat = type.kind === 'float' || type.kind === 'double'
  return {
    lower: decodeBound(type, file.lower.get(id)),
    upper: decodeBound(type, file.upper.get(id)),
    mayBeNull: nulls !== 0,
    isAllNull: values !== undefined && values > 0 && nulls === values,
    mayBeNan: isFloat && file.nanCounts.get(id) !== 0,
  }
}

function exactly(value: Scalar | undefined): ValueRange {
  const isNan = typeof value === 'number' && Number.isNaN(value)
  const bound = isNan ? undefined : value
  return { lower: bound, upper: bound, mayBeNull: value === undefined, isAllNull: value === undefined, mayBeNan: isNan }
}

interface PartitionPart {
  readonly index: number
  readonly fieldId: number
  readonly sourceId: number
  readonly transform: PartitionTransform
  readonly type: IcebergType
}

function partitionParts(
  spec: PartitionSpec | undefined,
  columns: ReadonlyMap<number, IcebergField>,
): readonly PartitionPart[] {
  return (spec?.fields ?? []).flatMap((field, index) => {
    const transform = parseTransform(field.transform)
    const source = columns.get(field.sourceId)
    if (transform === undefined || source === undefined) return []
    const { fieldId, sourceId } = field
    return [{ index, fieldId, sourceId, transform, type: transform.resultType(source.type) }]
  })
}
