import type { Finding } from '../core/checkpoint-types.ts'
import { MillraceError } from '../core/errors.ts'
import type { Schema } from '../core/schema.ts'
import { formatColumnType, parseColumnType } from '../dataplane/types.ts'
import type { ExplodeOptions } from './stream-definition.ts'
import { configError, type Path } from './parsed-file.ts'
import type { ExplodeStep } from './plan.ts'
import { suggestion } from './suggest.ts'

export type PlannedExplode = Omit<ExplodeStep, 'outputs' | 'kind'>

/** Checks an `explode` against the columns that it reads, and plans it. */
export function planExplode(id: string, options: ExplodeOptions, input: Schema): PlannedExplode | readonly Finding[] {
  const at = ['transforms', id, 'explode']
  const findings: Finding[] = []
  const names = input.map(({ name }) => name)
  const list = input.find(({ name }) => name.toLowerCase() === options.column.toLowerCase())
  if (list === undefined) {
    const hint = suggestion(options.column, names) ?? names.join(', ')
    return [configError(`there is no column ${JSON.stringify(options.column)}`, [...at, 'column'], hint)]
  }
  if (parseColumnType(list.type).kind !== 'json') {
    const hint = `lists travel as json: declare ${list.name}: json, or cast it before`
    findings.push(configError(`${JSON.stringify(list.name)} is ${list.type}, no list`, [...at, 'column'], hint))
  }
  const isWhole = typeof options.as === 'string'
  const asked: readonly (readonly [name: string, type: string, path: Path])[] =
    typeof options.as === 'string'
      ? [[list.name, options.as, [...at, 'as']]]
      : Object.entries(options.as).map(([name, type]) => [name, type, [...at, 'as', name]])
  const elements = asked.map(([name, type, path]) => ({ name, type: typeOf(type, path, findings), nullable: true }))
  const position = options.position === undefined ? [] : [{ name: options.position, type: 'bigint', nullable: true }]
  const others = input.filter((column) => column !== list)
  const added = [
    ...position.map((column) => [column, [...at, 'position']] as const),
    ...elements.map((column, index) => [column, asked[index]?.[2] ?? at] as const),
  ]
  const taken = new Set(others.map(({ name }) => name.toLowerCase()))
  for (const [{ name }, path] of added) {
    if (taken.has(name.toLowerCase())) findings.push(configError(`the rows have a column ${name} already`, path))
    taken.add(name.toLowerCase())
  }
  if (findings.length > 0) return findings
  return {
    id,
    input,
    list: list.name,
    elements,
    isWhole,
    ...(options.position !== undefined && { position: options.position }),
    keepsEmpty: options.empty === 'keep',
    // Elements stand where the list stood.
    schema: input.flatMap((column) => (column === list ? [...position, ...elements] : [column])),
  }
}

function typeOf(text: string, path: Path, findings: Finding[]): string {
  try {
    return formatColumnType(parseColumnType(text))
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error
    findings.push(configError(`unknown type ${JSON.stringify(text)}`, path, 'for example varchar, bigint or json'))
    return 'varchar'
  }
}
