import { parseCondition, parseLiteral, type Condition } from './condition.ts'
import type { TableStore } from './table.ts'

/** The value of one target column: a field of the source, or a constant. */
export type Derivation = { readonly field: string } | { readonly literal: string }

/** How the bytes of a load become rows of a table; made from the load's headers. */
export interface LoadPlan {
  readonly table: TableStore
  readonly format: 'csv' | 'json'
  readonly columnSeparator: string
  readonly rowDelimiter: string
  readonly skipLines: number
  readonly trimSpace: boolean
  readonly trimDoubleQuotes: boolean
  readonly isEmptyNull: boolean
  readonly enclose: string
  readonly escape: string
  /** JSON: one object per line instead of one document. */
  readonly isJsonByLine: boolean
  readonly stripOuterArray: boolean
  readonly jsonPaths: readonly (readonly string[])[] | undefined
  readonly jsonRoot: readonly string[] | undefined
  /** Names of the source's fields, in order; undefined: the table's columns. */
  readonly fields: readonly string[] | undefined
  readonly derivations: ReadonlyMap<string, Derivation>
  readonly where: Condition | undefined
  readonly isStrict: boolean
  readonly maxFilterRatio: number
  /** Field that says whether a row is a delete. */
  readonly deleteField: string | undefined
  readonly isDelete: (value: unknown) => boolean | undefined
  /** Rows that are deletes whatever their mark says. */
  readonly deleteWhen: Condition | undefined
  readonly sequenceField: string | undefined
  readonly isPartial: boolean
  readonly mergeCondition: string | undefined
}

/** A header that cannot be used; the message is the server's. */
export class BadHeader extends Error {}

export function header(headers: Readonly<Record<string, unknown>>, name: string): string | undefined {
  const value = headers[name]
  return typeof value === 'string' ? value : undefined
}

export function flag(headers: Readonly<Record<string, unknown>>, name: string, complaint?: string): boolean {
  const value = header(headers, name)?.toLowerCase()
  if (value !== undefined && value !== 'true' && value !== 'false' && complaint !== undefined) {
    throw new BadHeader(complaint)
  }
  return value === 'true'
}

/** `\x01`, `\\x0D0A`, `\t` and plain text. */
export function delimiter(text: string | undefined, fallback: string): string {
  if (text === undefined || text === '') return fallback
  const hex = /^\\{1,2}[xX]((?:[0-9a-fA-F]{2})+)$/.exec(text)?.[1]
  if (hex !== undefined) return Buffer.from(hex, 'hex').toString('latin1')
  return text.replaceAll('\\t', '\t').replaceAll('\\n', '\n').replaceAll('\\r', '\r')
}

/** The `columns` header: names of the source's fields, then `target = field` or `target = constant`. */
export function columnMapping(text: string | undefined): Pick<LoadPlan, 'fields' | 'derivations'> {
  if (text === undefined || text.trim() === '') return { fields: undefined, derivations: new Map() }
  const fields: string[] = []
  const derivations = new Map<string, Derivation>()
  for (const item of text.split(',')) {
    const match = /^\s*`?([A-Za-z_][\w$]*)`?\s*(?:=\s*(.+?)\s*)?$/s.exec(item)
    if (match === null)
      throw new BadHeader(`parse columns header failed, this emulator knows only names and name = field`)
    const [, name = '', expression] = match
    if (expression === undefined) fields.push(name)
    else derivations.set(name, derivation(expression))
  }
  return { fields, derivations }
}

function derivation(expression: string): Derivation {
  const field = /^`?([A-Za-z_][\w$]*)`?$/.exec(expression)?.[1]
  if (field !== undefined) return { field }
  if (/^('[^']*'|"[^"]*"|-?\d+(\.\d+)?)$/.test(expression)) return { literal: parseLiteral(expression) }
  throw new BadHeader(
    `column expression '${expression}' is not known to this emulator, which evaluates names and constants`,
  )
}

export function condition(text: string | undefined): Condition | undefined {
  if (text === undefined) return undefined
  const parsed = parseCondition(text)
  if (parsed === undefined) throw new BadHeader(`condition '${text}' is not known to this emulator`)
  return parsed
}

/** `["$.a", "$.b.c"]` */
export function jsonPaths(text: string | undefined): LoadPlan['jsonPaths'] {
  if (text === undefined || text === '') return undefined
  let paths: unknown
  try {
    paths = JSON.parse(text)
  } catch {
    throw new BadHeader(`Invalid json path: ${text}`)
  }
  if (!Array.isArray(paths)) throw new BadHeader(`Invalid json path: ${text}`)
  return paths.map((path) => jsonPath(String(path)))
}

export function jsonPath(text: string): readonly string[] {
  if (!/^\$(\.[^.[\]]+|\[\d+\])*$/.test(text)) throw new BadHeader(`Invalid json path: ${text}`)
  return [...text.matchAll(/\.([^.[\]]+)|\[(\d+)\]/g)].map((match) => match[1] ?? match[2] ?? '')
}

export function filterRatio(text: string | undefined): number {
  const ratio = text === undefined ? 0 : Number(text)
  if (!(ratio >= 0 && ratio <= 1)) throw new BadHeader(`Invalid max filter ratio format: ${text ?? ''}`)
  return ratio
}
