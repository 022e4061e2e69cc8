import type { EmulatorColumn, EmulatorTable } from '../options.ts'

/** What a statement of the query port changes; `undefined` from `parseChange`: it changes nothing. */
export type Change =
  | { readonly kind: 'create-database'; readonly database: string }
  | { readonly kind: 'drop-database'; readonly database: string }
  | { readonly kind: 'drop-table'; readonly database: string; readonly table: string }
  | { readonly kind: 'create-table'; readonly isOptional: boolean; readonly definition: EmulatorTable }
  | { readonly kind: 'truncate-table'; readonly database: string; readonly table: string }
  | { readonly kind: 'alter-table'; readonly database: string; readonly table: string; readonly change: ColumnChange }

export type ColumnChange =
  | { readonly kind: 'add'; readonly column: EmulatorColumn }
  | { readonly kind: 'modify'; readonly column: EmulatorColumn }
  | { readonly kind: 'drop'; readonly name: string }
  | { readonly kind: 'rename'; readonly from: string; readonly to: string }

/** A statement that the server would refuse to parse. */
export class SyntaxTrouble extends Error {}

const TOKEN = /`(?:[^`]|``)*`|'(?:[^'\\]|''|\\.)*'|"(?:[^"\\]|""|\\.)*"|[A-Za-z_][\w$]*|\d+(?:\.\d+)?|[(),.=;*]|\S/g
const KEY_MODELS: Readonly<Record<string, EmulatorTable['model']>> = {
  DUPLICATE: 'duplicate',
  PRIMARY: 'primary',
  UNIQUE: 'primary',
}

/** Reads the few statements that create and drop things. Clauses after the key (DISTRIBUTED BY, PROPERTIES) are skipped. */
export function parseChange(text: string, currentDatabase: string | undefined): Change | undefined {
  const words = new Words(text.match(TOKEN) ?? [], currentDatabase)
  if (words.take('CREATE', 'DATABASE')) {
    words.take('IF', 'NOT', 'EXISTS')
    return { kind: 'create-database', database: words.name() }
  }
  if (words.take('ALTER', 'TABLE')) {
    const named = words.tableName()
    return { kind: 'alter-table', ...named, change: columnChange(words) }
  }
  if (words.take('TRUNCATE', 'TABLE')) return { kind: 'truncate-table', ...words.tableName() }
  if (words.take('DROP', 'DATABASE')) {
    words.take('IF', 'EXISTS')
    return { kind: 'drop-database', database: words.name() }
  }
  if (words.take('DROP', 'TABLE')) {
    words.take('IF', 'EXISTS')
    return { kind: 'drop-table', ...words.tableName() }
  }
  if (!words.take('CREATE', 'TABLE')) return undefined
  const isOptional = words.take('IF', 'NOT', 'EXISTS')
  const { database, table } = words.tableName()
  const columns = columnsOf(words)
  const { model, keys } = keyOf(words)
  const definition = { database, table, columns, model, ...(keys === undefined ? {} : { keys }) }
  return { kind: 'create-table', isOptional, definition }
}

function columnsOf(words: Words): EmulatorColumn[] {
  const columns: EmulatorColumn[] = []
  words.expect('(')
  do columns.push(columnOf(words))
  while (words.take(','))
  words.expect(')')
  return columns
}

function columnOf(words: Words): EmulatorColumn {
  const name = words.name()
  let type = words.next().toUpperCase()
  if (words.peek() === '(') type += words.parenthesis()
  let nullable = true
  for (let depth = 0; depth > 0 || ![',', ')', ';', undefined].includes(words.peek());) {
    if (words.take('NOT', 'NULL')) nullable = false
    else depth += depthOf(words.next())
  }
  return { name, type, nullable }
}

function columnChange(words: Words): ColumnChange {
  if (words.take('ADD', 'COLUMN')) return { kind: 'add', column: columnOf(words) }
  if (words.take('MODIFY', 'COLUMN')) return { kind: 'modify', column: columnOf(words) }
  if (words.take('DROP', 'COLUMN')) return { kind: 'drop', name: words.name() }
  if (words.take('RENAME', 'COLUMN')) {
    const from = words.name()
    words.take('TO')
    return { kind: 'rename', from, to: words.name() }
  }
  throw new SyntaxTrouble('the emulator alters columns only: ADD, MODIFY, DROP and RENAME COLUMN, one in a statement')
}

function depthOf(word: string): number {
  return word === '(' ? 1 : word === ')' ? -1 : 0
}

function keyOf(words: Words): { model: EmulatorTable['model']; keys?: readonly string[] } {
  while (words.peek() !== undefined) {
    const model = KEY_MODELS[words.next().toUpperCase()]
    if (model === undefined || !words.take('KEY')) continue
    const keys: string[] = []
    words.expect('(')
    do keys.push(words.name())
    while (words.take(','))
    return { model, keys }
  }
  return { model: 'duplicate' }
}

class Words {
  readonly #words: readonly string[]
  readonly #database: string | undefined
  #at = 0

  constructor(words: readonly string[], database: string | undefined) {
    this.#words = words
    this.#database = database
  }

  peek(): string | undefined {
    return this.#words[this.#at]
  }

  next(): string {
    const word = this.#words[this.#at++]
    if (word === undefined) throw new SyntaxTrouble('unexpected end of the statement')
    return word
  }

  /** Takes these words if they come next, in any case. */
  take(...expected: readonly string[]): boolean {
    const isNext = expected.every((word, index) => this.#words[this.#at + index]?.toUpperCase() === word)
    if (isNext) this.#at += expected.length
    return isNext
  }

  expect(word: string): void {
    const found = this.next()
    if (found !== word) throw new SyntaxTrouble(`${word} expected, not ${found}`)
  }

  name(): string {
    const word = this.next()
    if (/^[A-Za-z_]/.test(word)) return word
    if (word.startsWith('`')) return word.slice(1, -1).replaceAll('``', '`')
    throw new SyntaxTrouble(`a name expected, not ${word}`)
  }

  tableName(): { database: string; table: string } {
    const first = this.name()
    if (this.take('.')) return { database: first, table: this.name() }
    if (this.#database === undefined) throw new SyntaxTrouble('No database selected')
    return { database: this.#database, table: first }
  }

  /** `(…)` as text, with what it holds. */
  parenthesis(): string {
    let text = ''
    let depth = 0
    do {
      const word = this.next()
      depth += depthOf(word)
      text += word
    } while (depth > 0)
    return text
  }
}
