/** What a statement of the log does to tables, as far as their rows or names are concerned. */
export type StatementEffect =
  | { readonly kind: 'truncate' | 'drop'; readonly tables: readonly TableName[] }
  | { readonly kind: 'rename'; readonly pairs: readonly { readonly from: TableName; readonly to: TableName }[] }
  | {
      readonly kind: 'rename-column'
      readonly table: TableName
      readonly pairs: readonly (readonly [string, string])[]
    }
  | { readonly kind: 'drop-database'; readonly database: string }
  /** Rows come or go with a whole partition, and no event says which. */
  | { readonly kind: 'partition'; readonly table: TableName }
  | { readonly kind: 'rows'; readonly table: TableName }
  | { readonly kind: 'none' }

export interface TableName {
  readonly database: string
  readonly name: string
}

const NAME = '(?:`(?:[^`]|``)+`|[\\w$\\u0080-\\uffff]+)'
const TABLE = `${NAME}(?:\\s*\\.\\s*${NAME})?`
const IF_EXISTS = '(?:if\\s+(?:not\\s+)?exists\\s+)?'

const TRUNCATE = new RegExp(`^truncate\\s+(?:table\\s+)?(${TABLE})`, 'i')
const DROP = new RegExp(`^drop\\s+table\\s+${IF_EXISTS}(${TABLE}(?:\\s*,\\s*${TABLE})*)`, 'i')
const DROP_DATABASE = new RegExp(`^drop\\s+(?:database|schema)\\s+${IF_EXISTS}(${NAME})`, 'i')
const RENAME = new RegExp(`^rename\\s+tables?\\s+${IF_EXISTS}(.*)$`, 'is')
const RENAME_PAIR = new RegExp(`(${TABLE})\\s+(?:(?:no)?wait\\s+(?:\\d+\\s+)?)?to\\s+(${TABLE})`, 'gi')
const ALTER = new RegExp(
  `^alter\\s+(?:online\\s+)?(?:ignore\\s+)?table\\s+${IF_EXISTS}(${TABLE})\\s+(?:(?:no)?wait\\s+(?:\\d+\\s+)?)?(.*)$`,
  'is',
)
const ALTER_RENAME = new RegExp(
  `(?:^|,)\\s*rename\\s+(?:to\\s+|as\\s+|=\\s*)?(?!column\\b|index\\b|key\\b)(${TABLE})\\s*$`,
  'i',
)
const RENAME_COLUMN = new RegExp(`(?:^|,)\\s*rename\\s+column\\s+${IF_EXISTS}(${NAME})\\s+to\\s+(${NAME})`, 'gi')
const CHANGE_COLUMN = new RegExp(`(?:^|,)\\s*change\\s+(?:column\\s+)?${IF_EXISTS}(${NAME})\\s+(${NAME})`, 'gi')
const PARTITION = /(?:^|,)\s*(?:(?:truncate|drop|exchange)\s+partition|(?:import|discard)\s)/i
const DML_WORDS = '(?:low_priority|delayed|high_priority|quick|ignore|only)\\s+'
const DML_TABLE = [
  new RegExp(`^(?:insert|replace)\\s+(?:${DML_WORDS})*(?:into\\s+)?(${TABLE})`, 'i'),
  new RegExp(`^update\\s+(?:${DML_WORDS})*(${TABLE})`, 'i'),
  new RegExp(`^delete\\s+(?:${DML_WORDS})*from\\s+(${TABLE})`, 'i'),
]

/** Reads a statement as far as it matters here; `database` is the one that unqualified names mean. */
export function effectOf(sql: string, database: string): StatementEffect {
  const text = withoutComments(sql)
  const tables = (list: string): TableName[] => namesIn(list, database)
  const truncated = TRUNCATE.exec(text)?.[1]
  if (truncated !== undefined) return { kind: 'truncate', tables: tables(truncated) }
  const dropped = DROP.exec(text)?.[1]
  if (dropped !== undefined) return { kind: 'drop', tables: tables(dropped) }
  const gone = DROP_DATABASE.exec(text)?.[1]
  if (gone !== undefined) return { kind: 'drop-database', database: unquoted(gone) }
  const renamed = RENAME.exec(text)?.[1]
  if (renamed !== undefined) return { kind: 'rename', pairs: renamePairs(renamed, database) }
  const altered = ALTER.exec(text)
  if (altered !== null) return alterEffect(altered[1] ?? '', altered[2] ?? '', database)
  for (const pattern of DML_TABLE) {
    const [table] = tables(pattern.exec(text)?.[1] ?? '')
    if (table !== undefined) return { kind: 'rows', table }
  }
  return { kind: 'none' }
}

function alterEffect(name: string, actions: string, database: string): StatementEffect {
  const [table = { database, name: '' }] = namesIn(name, database)
  if (PARTITION.test(actions)) return { kind: 'partition', table }
  const pairs = [...actions.matchAll(RENAME_COLUMN), ...actions.matchAll(CHANGE_COLUMN)]
    .map(([, from = '', to = '']) => [unquoted(from), unquoted(to)] as const)
    .filter(([from, to]) => from !== to)
  const renamed = ALTER_RENAME.exec(actions)?.[1]
  if (renamed !== undefined) {
    const [to = table] = namesIn(renamed, database)
    return { kind: 'rename', pairs: [{ from: table, to }] }
  }
  return pairs.length === 0 ? { kind: 'none' } : { kind: 'rename-column', table, pairs }
}

function renamePairs(list: string, database: string): { from: TableName; to: TableName }[] {
  return [...list.matchAll(RENAME_PAIR)].flatMap(([, from = '', to = '']) => {
    const [source] = namesIn(from, database)
    const [target] = namesIn(to, database)
    return source === undefined || target === undefined ? [] : [{ from: source, to: target }]
  })
}

function namesIn(list: string, database: string): TableName[] {
  return [...list.matchAll(new RegExp(TABLE, 'g'))].map(([name]) => {
    const [first = '', second] = [...name.matchAll(new RegExp(NAME, 'g'))].map(([part]) => unquoted(part))
    return second === undefined ? { database, name: first } : { database: first, name: second }
  })
}

function unquoted(name: string): string {
  return name.startsWith('`') ? name.slice(1, -1).replaceAll('``', '`') : name
}

/** Comments at the beginning, and the wrapping of those that the server runs (`/*!50003 …`). */
function withoutComments(sql: string): string {
  return sql
    .replaceAll(/\/\*(?!!)[\s\S]*?\*\//g, ' ')
    .replaceAll(/^\s*(?:--|#).*$/gm, ' ')
    .replaceAll(/\/\*!\d*|\*\//g, ' ')
    .trim()
}

const SHADOW = /^_.+_(?:gho|ghc|new)$|^_.+_(?:del|old)$/

/**
 * Whether a rename puts a copy in the place of a table, as gh-ost and pt-online-schema-change do it: in one statement the
 * table goes away and its shadow takes its name. The rows are the same, and the shape tells itself.
 */
export function isShadowSwap(
  pairs: readonly { readonly from: TableName; readonly to: TableName }[],
  table: TableName,
): boolean {
  const same = (one: TableName): boolean => one.database === table.database && one.name === table.name
  const away = pairs.find(({ from }) => same(from))
  const back = pairs.find(({ to }) => same(to))
  return away !== undefined && back !== undefined && SHADOW.test(back.from.name) && back.from.name.includes(table.name)
}
