import { z } from 'zod'
import type { SourceTable } from './changes.ts'
import { MillraceError } from './errors.ts'
import { identifier } from './options.ts'

/** Where the rows of some of a source's tables go. */
export interface Route {
  readonly match: string
  readonly database?: string | undefined
  readonly table: string
  readonly columns?: readonly string[] | undefined
  readonly key?: readonly string[] | undefined
  /** Column whose value rises with every change of a row. */
  readonly version?: string | undefined
}

/** The target of one source table, and the source's columns and key as the target has them. */
export interface RoutedTable {
  readonly database: string
  readonly table: string
  /** The source table with the columns and the key that the route asks for. */
  readonly shape: SourceTable
  /** A row is replaced only by one whose value of this column is not less. */
  readonly version: string | undefined
}

/** The option `routes` of sinks that take rows of several tables. `hasVersion`: the sink can compare rows with what is there. */
export function routesOption({ hasVersion = false }: { hasVersion?: boolean } = {}): z.ZodType<readonly Route[]> {
  return z
    .array(hasVersion ? route.extend({ version }) : route)
    .min(1)
    .describe('Where the rows of each table go: the first route that matches. A table without one halts the pipeline.')
    .meta({ examples: [[{ match: 'shop\\..*', database: 'demo', table: '{table}' }]] })
}

const route = z.strictObject({
  match: z
    .string()
    .refine(isPattern, 'is no regular expression')
    .describe('Regular expression over the whole of `database.table` of the source.')
    .meta({ examples: ['shop\\.order_.*'] }),
  database: z.string().min(1).optional().describe('Target database; `{database}` is the source’s.'),
  table: z
    .string()
    .min(1)
    .default('{table}')
    .describe('Target table; `{table}` and `{database}` are the source’s names.'),
  columns: z.array(identifier()).min(1).optional().describe('Columns to write. Default: all.'),
  key: z.array(identifier()).min(1).optional().describe('Key of the target. Default: the source’s primary key.'),
})

const version = identifier()
  .optional()
  .describe('Column that rises with every change of a row: a row is replaced only by one whose value is not less.')
  .meta({ examples: ['updated_at'] })

/** Finds the target of each table; answers are remembered, since every batch asks. */
export class Router {
  readonly #routes: readonly (Route & { readonly pattern: RegExp })[]
  readonly #database: string
  readonly #known = new Map<string, Route & { readonly pattern: RegExp }>()

  /** `database` is the target database of routes that name none. */
  constructor(routes: readonly Route[], database: string) {
    this.#routes = routes.map((route) => ({ ...route, pattern: patternOf(route.match) }))
    this.#database = database
  }

  /** Throws SCHEMA for a table that no route matches, or whose columns or key the route does not find. */
  targetOf(table: SourceTable): RoutedTable {
    const route = this.#known.get(table.id) ?? this.#find(table)
    this.#known.set(table.id, route)
    const filled = (text: string): string =>
      text.replaceAll('{database}', table.database).replaceAll('{table}', table.name)
    return {
      database: filled(route.database ?? this.#database),
      table: filled(route.table),
      shape: shapeOf(table, route),
      version: route.version,
    }
  }

  /** Target databases; `undefined` where a route takes the source's. */
  get databases(): readonly string[] | undefined {
    const names = this.#routes.map(({ database }) => database ?? this.#database)
    return names.some((name) => name.includes('{')) ? undefined : [...new Set(names)]
  }

  #find({ id, database, name }: SourceTable): Route & { readonly pattern: RegExp } {
    const found = this.#routes.find(({ pattern }) => pattern.test(`${database}.${name}`))
    if (found !== undefined) return found
    throw new MillraceError(
      `no route of the sink matches the table ${id}: add one to \`routes\`, or leave the table out of the source’s \`tables\``,
      { code: 'SCHEMA', detail: { table: id } },
    )
  }
}

function shapeOf(table: SourceTable, { columns, key, version }: Route): SourceTable {
  const kept = columns === undefined ? table.columns : table.columns.filter(({ name }) => columns.includes(name))
  const shape = { ...table, columns: kept, key: key ?? table.key }
  const needed = version === undefined ? shape.key : [...shape.key, version]
  const missing = needed.find((name) => !kept.some((column) => column.name === name))
  if (missing === undefined) return shape
  const what = missing === version ? 'version' : 'key'
  throw new MillraceError(
    `the ${what} column ${missing} of ${table.id} is not among the columns that its route writes`,
    {
      code: 'SCHEMA',
      detail: { table: table.id, column: missing },
    },
  )
}

function patternOf(match: string): RegExp {
  return new RegExp(`^(?:${match})$`, 'u')
}

function isPattern(match: string): boolean {
  try {
    return patternOf(match) instanceof RegExp
  } catch {
    return false
  }
}
