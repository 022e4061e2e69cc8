/**
 * The rules of row-wise SQL, applied to DuckDB's own syntax tree (`json_serialize_sql`). Everything that is not known to
 * be row-wise is refused, so a new kind of node of a later DuckDB is refused too.
 */
export interface SqlFinding {
  readonly message: string
  readonly hint: string
}

export type Node = { readonly [key: string]: unknown }

/** What the rules need to know about a function name: all of its overloads taken together. */
export interface FunctionFacts {
  readonly kind: 'scalar' | 'aggregate' | 'macro' | 'table'
  readonly isVolatile: boolean
}

export interface TreeScope {
  /** Names of the input's columns, in lower case. */
  readonly columns: ReadonlySet<string>
  /** Names of relations that may be read, in lower case. */
  readonly relations: ReadonlySet<string>
  readonly functions: ReadonlyMap<string, FunctionFacts>
}

export interface TreeFacts {
  readonly findings: readonly SqlFinding[]
  /** First or only parts of all column names that occur, in lower case. */
  readonly names: ReadonlySet<string>
  readonly hasStar: boolean
}

const AGGREGATE_HINT = 'a transform sees one batch at a time; use an `aggregate` transform'
const ROW_HINT = 'a `sql` transform makes at most one row of each row it reads'
const VOLATILE_HINT = 'a replay after a restart must give the same rows; use a column of the source in its place'

/** Parts of a SELECT that look at more than one row. */
const SELECT_PARTS: { readonly [key: string]: readonly [string, string] } = {
  group_expressions: ['GROUP BY', AGGREGATE_HINT],
  group_sets: ['GROUP BY', AGGREGATE_HINT],
  having: ['HAVING', AGGREGATE_HINT],
  qualify: ['QUALIFY', 'use a `deduplicate` transform'],
  sample: ['SAMPLE', 'filter by a column instead'],
}

const MODIFIERS: { readonly [type: string]: readonly [string, string] } = {
  DISTINCT_MODIFIER: ['DISTINCT', 'use a `deduplicate` transform'],
  ORDER_MODIFIER: ['ORDER BY', 'rows keep the order of their split; sort when reading the target'],
  LIMIT_MODIFIER: ['LIMIT', 'filter by a column instead'],
  LIMIT_PERCENT_MODIFIER: ['LIMIT', 'filter by a column instead'],
}

const SELECT_KEYS = new Set([
  'type',
  'select_list',
  'from_table',
  'where_clause',
  'aggregate_handling',
  'query_location',
])

const EXPRESSIONS = new Set([
  'BETWEEN',
  'CASE',
  'CAST',
  'COLLATE',
  'COLUMN_REF',
  'COMPARISON',
  'CONJUNCTION',
  'CONSTANT',
  'FUNCTION',
  'LAMBDA',
  'LAMBDA_REF',
  'OPERATOR',
  'STAR',
])

/** Scalar macros of DuckDB that are row-wise; most others stand for aggregates or look at the session. */
const ROW_WISE_MACROS = new Set(
  [
    'split_part nullif fmod fdiv round_even roundbankers days_in_month date_add md5_number_lower md5_number_upper',
    'map_contains_entry map_contains_value array_to_string array_to_string_comma_default list_append list_prepend',
    'list_reverse array_append array_prepend array_push_back array_push_front array_pop_back array_pop_front array_reverse',
    'list_sum list_min list_max list_avg list_count list_product list_any_value list_first list_last list_median list_mode',
    'list_bool_and list_bool_or list_string_agg',
  ].flatMap((names) => names.split(' ')),
)

/** Declared as consistent by DuckDB, and yet they look at the clock, the session or the version. */
const SESSION_FUNCTIONS = new Set(
  [
    'current_setting getvariable version current_localtime current_localtimestamp current_catalog current_user',
    'current_role session_user user ago getenv in_search_path',
  ].flatMap((names) => names.split(' ')),
)

/** Words that DuckDB takes for functions without parentheses when no column has their name. */
const SESSION_WORDS = /^(current_.*|localtime|localtimestamp|session_user|user)$/

export class TreeCheck {
  readonly #scope: TreeScope
  readonly #findings = new Map<string, SqlFinding>()
  readonly #names = new Set<string>()
  #hasStar = false

  constructor(scope: TreeScope) {
    this.#scope = scope
  }

  get facts(): TreeFacts {
    return { findings: [...this.#findings.values()], names: this.#names, hasStar: this.#hasStar }
  }

  /** A SELECT that reads `relations`: those of the scope, or the names of its WITH. */
  select(node: Node, relations: ReadonlySet<string> = this.#scope.relations): void {
    if (node['type'] !== 'SELECT_NODE') {
      const what = node['type'] === 'SET_OPERATION_NODE' ? String(node['setop_type']) : String(node['type'])
      return this.#refuse(what, 'give several ids to `from` to bring rows together')
    }
    const visible = this.#with(node['cte_map'], relations)
    for (const modifier of listOf(node['modifiers'])) {
      const [what, hint] = MODIFIERS[String(modifier['type'])] ?? [String(modifier['type']), ROW_HINT]
      this.#refuse(what, hint)
    }
    for (const [key, value] of Object.entries(node)) {
      if (SELECT_KEYS.has(key) || key === 'modifiers' || key === 'cte_map' || isEmpty(value)) continue
      const [what, hint] = SELECT_PARTS[key] ?? [key, ROW_HINT]
      this.#refuse(what, hint)
    }
    if (node['aggregate_handling'] === 'FORCE_AGGREGATES') this.#refuse('GROUP BY', AGGREGATE_HINT)
    for (const item of listOf(node['select_list'])) this.expression(item)
    if (isNode(node['where_clause'])) this.expression(node['where_clause'])
    this.#from(node['from_table'], visible)
  }

  expression(node: Node): void {
    const kind = String(node['class'])
    if (!EXPRESSIONS.has(kind)) return this.#refuseExpression(kind, node)
    if (kind === 'FUNCTION') this.#function(node)
    if (kind === 'STAR') this.#hasStar = true
    if (kind === 'COLUMN_REF') this.#column(node)
    for (const [key, value] of Object.entries(node)) if (key !== 'order_bys') this.#children(value)
  }

  #children(value: unknown): void {
    if (Array.isArray(value)) for (const item of value) this.#children(item)
    else if (isNode(value)) {
      if (typeof value['class'] === 'string') this.expression(value)
      else for (const inner of Object.values(value)) this.#children(inner)
    }
  }

  #column(node: Node): void {
    const parts = listOfText(node['column_names']).map((part) => part.toLowerCase())
    const isQualified = parts.length > 1 && this.#scope.relations.has(parts[0] ?? '')
    for (const part of parts.slice(isQualified ? 1 : 0, 2)) this.#names.add(part)
    const [word = ''] = parts
    if (parts.length === 1 && SESSION_WORDS.test(word) && !this.#scope.columns.has(word)) {
      this.#refuse(`the function ${word}, which gives another value each time,`, VOLATILE_HINT)
    }
    // A relation's name alone is its whole row.
    if (parts.length === 1 && this.#scope.relations.has(parts[0] ?? '')) this.#hasStar = true
  }

  #function(node: Node): void {
    const name = String(node['function_name']).toLowerCase()
    const facts = this.#scope.functions.get(name)
    const shown = `the function ${name}()`
    if (facts?.kind === 'aggregate' || node['filter'] !== undefined || node['distinct'] === true) {
      return this.#refuse(`the aggregate ${name}()`, AGGREGATE_HINT)
    }
    const isRelativeAge = name === 'age' && listOf(node['children']).length === 1
    if (facts?.isVolatile === true || SESSION_FUNCTIONS.has(name) || isRelativeAge) {
      return this.#refuse(`${shown}, which gives another value each time,`, VOLATILE_HINT)
    }
    if (facts?.kind === 'scalar' || (facts?.kind === 'macro' && ROW_WISE_MACROS.has(name))) return
    if (name === 'unnest') return this.#refuse('unnest(), which makes several rows of one,', ROW_HINT)
    this.#refuse(shown, facts === undefined ? 'no function of this name exists' : ROW_HINT)
  }

  #from(table: unknown, relations: ReadonlySet<string>): void {
    const node = isNode(table) ? table : {}
    if (node['sample'] !== undefined) this.#refuse('SAMPLE', 'filter by a column instead')
    switch (node['type']) {
      case 'BASE_TABLE': {
        const name = String(node['table_name'])
        const isForeign = !isEmpty(node['schema_name']) || !isEmpty(node['catalog_name']) || !isEmpty(node['at_clause'])
        if (isForeign || !relations.has(name.toLowerCase())) {
          const known = [...this.#scope.relations].map((relation) => JSON.stringify(relation)).join(', ')
          this.#refuse(`reading ${JSON.stringify(name)}`, `the transform's \`from\` offers ${known}`)
        }
        return
      }
      case 'SUBQUERY': {
        const inner = isNode(node['subquery']) ? node['subquery']['node'] : undefined
        if (isNode(inner)) this.select(inner, relations)
        return
      }
      case 'JOIN':
        return this.#refuse('a join', 'use a `lookup` transform')
      case 'TABLE_FUNCTION':
        return this.#refuse('a table function', 'read files with a `file` source')
      case 'EMPTY':
        return this.#refuse('a SELECT without FROM', 'read from the transform’s `from`')
      default:
        return this.#refuse(String(node['type'] ?? 'this FROM'), ROW_HINT)
    }
  }

  #with(map: unknown, relations: ReadonlySet<string>): ReadonlySet<string> {
    const entries = isNode(map) ? listOf(map['map']) : []
    const visible = new Set(relations)
    for (const entry of entries) {
      const query = isNode(entry['value']) ? entry['value']['query'] : undefined
      const node = isNode(query) ? query['node'] : undefined
      if (isNode(node)) this.select(node, visible)
      visible.add(String(entry['key']).toLowerCase())
    }
    return visible
  }

  #refuseExpression(kind: string, node: Node): void {
    if (kind === 'WINDOW') {
      const name = String(node['function_name'] ?? '')
      this.#refuse(`the window function ${name}()`, 'a transform sees one batch at a time')
    } else if (kind === 'SUBQUERY') this.#refuse('a subquery in an expression', 'use a `lookup` transform')
    else if (kind === 'PARAMETER') this.#refuse('a parameter', 'write the value itself, or ${NAME} for the environment')
    else this.#refuse(`${kind.toLowerCase()} expressions`, ROW_HINT)
  }

  #refuse(what: string, hint: string): void {
    this.#findings.set(what, { message: `${what} cannot be used in row-wise SQL`, hint })
  }
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function listOf(value: unknown): Node[] {
  return Array.isArray(value) ? value.filter(isNode) : []
}

function listOfText(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : []
}

function isEmpty(value: unknown): boolean {
  return value === undefined || value === null || value === '' || (Array.isArray(value) && value.length === 0)
}
