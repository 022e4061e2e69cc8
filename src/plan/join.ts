import type { Finding } from '../core/checkpoint-types.ts'
import type { Column, Schema } from '../core/schema.ts'
import type { InnerColumn } from '../dataplane/aggregate-work.ts'
import type { JoinSide, JoinWork } from '../dataplane/join-work.ts'
import { duckType, parseColumnType } from '../dataplane/types.ts'
import { hashOf, planTime } from './aggregate.ts'
import type { DraftTransform } from './check-definition.ts'
import { configError, type Path } from './parsed-file.ts'
import type { JoinOptions, JoinRest } from './stream-definition.ts'
import { suggestion } from './suggest.ts'

const MICROS_PER_MS = 1000

/** Outputs of a join beside its pairs, and whose rows leave there. Those that nobody wants are none. */
export function joinRests(transform: DraftTransform): readonly { readonly name: string; readonly rest: JoinRest }[] {
  if (transform.kind !== 'join') return []
  const { drop, kind } = transform.join
  const all: readonly JoinRest[] = ['unmatched.left', 'unmatched.right', 'late.left', 'late.right']
  return all
    .filter((rest) => !drop.includes(rest) && !(kind === 'left' && rest === 'unmatched.left'))
    .map((rest) => ({ name: `${transform.id}.${rest}`, rest }))
}

/** Checks a `join` against the columns of both sides, and plans it. */
export function planJoin(id: string, options: JoinOptions, left: Schema, right: Schema): JoinWork | readonly Finding[] {
  const at = ['transforms', id, 'join']
  const findings: Finding[] = []
  const { on, within, watermark, kind, drop } = options
  const pairs = Object.entries(on).map(([one, other]) => {
    const path = [...at, 'on', one]
    return { path, left: find(left, one, path, findings), right: find(right, other, path, findings) }
  })
  const key = pairs.flatMap((pair, index): InnerColumn[] => {
    if (pair.left === undefined || pair.right === undefined) return []
    const type = keyType(pair.left, pair.right)
    if (type !== undefined) return [{ name: `#k${index}`, type }]
    const message = `${pair.left.name} is ${pair.left.type} on the left, and ${pair.right.name} is ${pair.right.type} on the right`
    findings.push(
      configError(message, pair.path, 'make them the same type with a `map` before; float and double make no key'),
    )
    return []
  })
  const path = [...at, 'watermark']
  const time = planTime(watermark, left, path, findings)
  const other = planTime({ ...watermark, column: watermark.withColumn ?? watermark.column }, right, path, findings)
  if (kind === 'left' && drop.includes('unmatched.left')) {
    findings.push(configError('left rows without a partner are a part of the result of a left join', [...at, 'drop']))
  }
  const taken = new Set(left.map(({ name }) => name.toLowerCase()))
  const added = Object.entries(options.columns).map(([name, column]) => {
    const found = find(right, column, [...at, 'columns', name], findings)
    if (taken.has(name.toLowerCase())) {
      const hint = `give it another name: columns: {other_${name}: ${column}}`
      findings.push(configError(`left rows have a column ${name} already`, [...at, 'columns', name], hint))
    }
    taken.add(name.toLowerCase())
    const nullable = kind === 'left' || (found?.nullable ?? true)
    return { name, column: found?.name ?? column, type: found?.type ?? 'varchar', nullable }
  })
  if (findings.length > 0 || time === undefined || other === undefined) return findings
  const sideOf = (input: Schema, column: string, side: 'left' | 'right'): JoinSide => ({
    input,
    key: pairs.flatMap((pair) => pair[side]?.name ?? []),
    time: column,
  })
  const [before, after] = [within.before * MICROS_PER_MS, within.after * MICROS_PER_MS]
  const sides = { left: sideOf(left, time.column, 'left'), right: sideOf(right, other.column, 'right') }
  return {
    id,
    ...sides,
    key,
    before,
    after,
    keepsLeft: kind === 'left',
    columns: added.map(({ name, column }) => ({ name, column })),
    output: [...left, ...added.map(({ name, type, nullable }) => ({ name, type, nullable }))],
    time: { delay: time.delay, ...(time.idleMs !== undefined && { idleMs: time.idleMs }) },
    definition: hashOf({ version: 1, ...sides, key, before, after }),
  }
}

/** The type in which two columns are compared; values that are equal and look different make no key. */
function keyType(left: Column, right: Column): string | undefined {
  const [one, other] = [parseColumnType(left.type), parseColumnType(right.type)]
  if (one.kind === 'float' || one.kind === 'double' || one.kind === 'json') return undefined
  if (one.kind === 'integer' && other.kind === 'integer') return left.type === right.type ? duckType(one) : 'HUGEINT'
  return left.type === right.type ? duckType(one) : undefined
}

function find(schema: Schema, name: string, at: Path, findings: Finding[]): Column | undefined {
  const found = schema.find((column) => column.name.toLowerCase() === name.toLowerCase())
  if (found !== undefined) return found
  const names = schema.map((column) => column.name)
  findings.push(
    configError(`there is no column ${JSON.stringify(name)}`, at, suggestion(name, names) ?? names.join(', ')),
  )
  return undefined
}
