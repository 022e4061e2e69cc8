import type { AggregateCall } from './aggregate-calls.ts'
import { quoteText } from './sql-text.ts'

/** One column of a partial result. */
export interface PartialColumn {
  /** Aggregate over the rows of a group. */
  readonly partial: string
  /** Aggregate over the partial results of a group, given the quoted name of the column of each part. */
  readonly merge: (columns: readonly string[]) => string
}

/** An aggregate as sums of parts: computed of some rows, merged with what others gave, read at last. */
export interface Mergeable {
  readonly parts: readonly PartialColumn[]
  /** SQL over the merged columns. */
  readonly final: (columns: readonly string[]) => string
}

export interface MergeScope {
  /** SQL of the moment of a row, where the step has event time. */
  readonly time: string | undefined
}

/** What can be computed piece by piece, or what to do about it. */
export function mergeableOf(call: AggregateCall, scope: MergeScope): Mergeable | { readonly problem: string } {
  const make = call.distinct ? DISTINCT[call.name] : MERGEABLE[call.name]
  if (make === undefined) {
    const known = Object.keys(MERGEABLE).sort().join(', ')
    const shown = call.distinct ? `${call.name}(DISTINCT …)` : `${call.name}()`
    return { problem: `${shown} cannot be computed piece by piece; what can: ${known}, count(DISTINCT x)` }
  }
  const { args } = call
  if (!make.arity.includes(args.length)) {
    return { problem: `${call.name}() takes ${make.arity.join(' or ')} arguments, not ${args.length}` }
  }
  if (make.needsTime === true && scope.time === undefined) {
    return { problem: `${call.name}() needs event time: give a watermark, or use arg_min(x, y) or arg_max(x, y)` }
  }
  const where = (...conditions: readonly string[]): string => {
    const all = [...(call.filter === undefined ? [] : [call.filter]), ...conditions]
    return all.length === 0 ? '' : ` FILTER (WHERE ${all.map((one) => `(${one})`).join(' AND ')})`
  }
  return make.of({ args, where, time: scope.time ?? '' })
}

interface CallParts {
  readonly args: readonly string[]
  /** The FILTER clause of an aggregate, with further conditions. */
  where(...conditions: readonly string[]): string
  readonly time: string
}

interface Maker {
  readonly arity: readonly number[]
  readonly needsTime?: boolean
  readonly of: (parts: CallParts) => Mergeable
}

/** Sums of 64-bit integers fit 38 digits; what does not is an error, never another number. */
const EXACT = 'DECIMAL(38,0)'

/** The same function over what it gave. */
function itself(name: string): Maker {
  const of = ({ args: [x = ''], where }: CallParts): Mergeable =>
    single({ partial: `${name}(${x})${where()}`, merge: ([c]) => `${name}(${c})` })
  return { arity: [1], of }
}

function single(part: PartialColumn, final: Mergeable['final'] = ([c = '']) => c): Mergeable {
  return { parts: [part], final }
}

const COUNT: Maker = {
  arity: [0, 1],
  of: ({ args: [x = '*'], where }) =>
    single(
      { partial: `count(${x})${where()}`, merge: ([c]) => `CAST(sum(${c}) AS BIGINT)` },
      ([c]) => `coalesce(${c}, 0)`,
    ),
}

/** DuckDB sums integers into a HUGEINT, which Parquet does not know; everything else sums into a type of its own. */
const SUM: Maker = {
  arity: [1],
  of: ({ args: [x = ''], where }) => single(sumPart(x, where()), ([c]) => `${c}`),
}

function sumPart(x: string, where: string): PartialColumn {
  return { partial: `sum(${x})${where}`, merge: ([c]) => `sum(${c})` }
}

const AVERAGE: Maker = {
  arity: [1],
  of: ({ args: [x = ''], where }) => ({
    parts: [sumPart(x, where()), { partial: `count(${x})${where()}`, merge: ([, n]) => `CAST(sum(${n}) AS BIGINT)` }],
    final: ([sum, n]) => `CASE WHEN ${n} > 0 THEN CAST(${sum} AS DOUBLE) / ${n} END`,
  }),
}

/** The value of the row whose order is least or greatest; of several such rows, any. Values that are NULL do not count. */
function ordered(argument: 'arg_min' | 'arg_max', edge: 'min' | 'max', order: 'time' | 'second'): Maker {
  return {
    arity: [order === 'time' ? 1 : 2],
    ...(order === 'time' && { needsTime: true }),
    of: ({ args: [x = '', y = ''], where, time }) => {
      const by = order === 'time' ? time : y
      return {
        parts: [
          { partial: `${argument}(${x}, ${by})${where()}`, merge: ([value, at]) => `${argument}(${value}, ${at})` },
          { partial: `${edge}(${by})${where(`${x} IS NOT NULL`)}`, merge: ([, at]) => `${edge}(${at})` },
        ],
        final: ([value = '']) => value,
      }
    },
  }
}

/** Deviations from the mean add up by their sums: n, the sum, and the squares around the own mean of every piece. */
function spread(final: (squares: string, n: string) => string): Maker {
  return {
    arity: [1],
    of: ({ args: [x = ''], where }) => {
      const value = `CAST(${x} AS DOUBLE)`
      return {
        parts: [
          { partial: `count(${x})${where()}`, merge: ([n]) => `CAST(sum(${n}) AS BIGINT)` },
          { partial: `sum(${value})${where()}`, merge: ([, sum]) => `sum(${sum})` },
          {
            partial: `var_pop(${value})${where()} * count(${x})${where()}`,
            merge: ([n, sum, squares]) =>
              `greatest(0, sum(${squares}) + sum(${sum} * ${sum} / nullif(${n}, 0)) - sum(${sum}) * sum(${sum}) / nullif(sum(${n}), 0))`,
          },
        ],
        final: ([n = '', , squares = '']) => final(squares, n),
      }
    },
  }
}

/** All values, for what cannot be told from less. */
function listed(final: (list: string, args: readonly string[]) => string, arity: number): Maker {
  return {
    arity: [arity],
    of: ({ args, where }) => {
      const [x = '', ...rest] = args
      const part: PartialColumn = {
        partial: `list(${x})${where(`${x} IS NOT NULL`)}`,
        merge: ([c]) => `flatten(list(${c}))`,
      }
      return single(part, ([c = '']) => final(c, rest))
    },
  }
}

const EXACT_DISTINCT: Maker = {
  arity: [1],
  of: ({ args: [x = ''], where }) =>
    single(
      {
        partial: `list(DISTINCT ${x})${where(`${x} IS NOT NULL`)}`,
        merge: ([c]) => `list_distinct(flatten(list(${c})))`,
      },
      ([c]) => `CAST(coalesce(len(${c}), 0) AS BIGINT)`,
    ),
}

/** The least hashes of a set tell how many there are: with 1 024 of them within 3 %, and exactly while there are fewer. */
const HASHES = 1024
const LEAST = (list: string): string => `list_sort(list_distinct(${list}))[1:${HASHES}]`

const ROUGH_DISTINCT: Maker = {
  arity: [1],
  of: ({ args: [x = ''], where }) => {
    // MD5 stays what it is; DuckDB's hash() may change with its next release, and this lies in checkpoints.
    const hashes = `list(DISTINCT md5_number_lower(CAST(${x} AS VARCHAR)))${where(`${x} IS NOT NULL`)}`
    return single(
      { partial: LEAST(hashes), merge: ([c]) => LEAST(`flatten(list(${c}))`) },
      ([c]) =>
        `CASE WHEN coalesce(len(${c}), 0) < ${HASHES} THEN CAST(coalesce(len(${c}), 0) AS BIGINT) ` +
        `ELSE CAST(round(${HASHES - 1} * 18446744073709551616.0 / ${c}[${HASHES}]) AS BIGINT) END`,
    )
  },
}

/** Values of a sample in which every value of the group is as likely: ranks are off by 1.6 % of them, or less towards the ends. */
const SAMPLE = 1024

/**
 * The values with the least of random numbers are such a sample, of any two pieces together as well. While there are no more
 * values than that, they are all of them.
 */
const ROUGH_QUANTILE: Maker = {
  arity: [2],
  of: ({ args: [x = '', q = '0.5'], where }) =>
    single(
      {
        partial: `min({'at': random(), 'value': ${x}}, ${SAMPLE})${where(`${x} IS NOT NULL`)}`,
        merge: ([c]) => `list_sort(flatten(list(${c})))[1:${SAMPLE}]`,
      },
      ([c = '']) => `list_aggregate(list_transform(${c}, lambda one: one.value), 'quantile_disc', ${q})`,
    ),
}

const quantile = (name: string): Maker =>
  listed((list, [q = '0.5']) => `list_aggregate(${list}, ${quoteText(name)}, ${q})`, 2)

const MERGEABLE: Readonly<Record<string, Maker>> = {
  count: COUNT,
  sum: SUM,
  avg: AVERAGE,
  mean: AVERAGE,
  min: itself('min'),
  max: itself('max'),
  bool_and: itself('bool_and'),
  bool_or: itself('bool_or'),
  bit_and: itself('bit_and'),
  bit_or: itself('bit_or'),
  bit_xor: itself('bit_xor'),
  product: itself('product'),
  any_value: itself('any_value'),
  first: ordered('arg_min', 'min', 'time'),
  last: ordered('arg_max', 'max', 'time'),
  arg_min: ordered('arg_min', 'min', 'second'),
  min_by: ordered('arg_min', 'min', 'second'),
  arg_max: ordered('arg_max', 'max', 'second'),
  max_by: ordered('arg_max', 'max', 'second'),
  var_pop: spread((squares, n) => `CASE WHEN ${n} > 0 THEN ${squares} / ${n} END`),
  var_samp: spread((squares, n) => `CASE WHEN ${n} > 1 THEN ${squares} / (${n} - 1) END`),
  stddev_pop: spread((squares, n) => `CASE WHEN ${n} > 0 THEN sqrt(${squares} / ${n}) END`),
  stddev_samp: spread((squares, n) => `CASE WHEN ${n} > 1 THEN sqrt(${squares} / (${n} - 1)) END`),
  quantile_cont: quantile('quantile_cont'),
  quantile_disc: quantile('quantile_disc'),
  median: listed((list) => `list_aggregate(${list}, 'median')`, 1),
  mode: listed((list) => `list_aggregate(${list}, 'mode')`, 1),
  approx_count_distinct: ROUGH_DISTINCT,
  approx_quantile: ROUGH_QUANTILE,
}

const DISTINCT: Readonly<Record<string, Maker>> = {
  count: EXACT_DISTINCT,
  min: itself('min'),
  max: itself('max'),
}

/** The DuckDB type that a partial column travels and is kept in. */
export function keptType(type: string): string {
  return type === 'HUGEINT' || type === 'UHUGEINT' ? EXACT : type
}
