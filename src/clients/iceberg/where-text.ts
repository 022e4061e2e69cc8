import { MillraceError } from '../../core/errors.ts'

export type Comparison = '=' | '!=' | '<' | '<=' | '>' | '>='

/** A value as the user wrote it. */
export type Literal =
  | { readonly kind: 'number'; readonly text: string }
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'boolean'; readonly text: 'true' | 'false' }

/** A condition over columns `C`; values are `V`. Columns are names until they are bound to a schema. */
export type Condition<C, V> =
  | { readonly kind: 'and' | 'or'; readonly parts: readonly Condition<C, V>[] }
  | { readonly kind: 'compare'; readonly column: C; readonly comparison: Comparison; readonly value: V }
  | { readonly kind: 'in'; readonly column: C; readonly values: readonly V[] }
  | { readonly kind: 'null'; readonly column: C; readonly isNull: boolean }

export type WhereText = Condition<string, Literal>

const TOKEN =
  /\s*(?:(?<text>'(?:[^']|'')*')|(?<quoted>"(?:[^"]|"")+")|(?<number>-?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)|(?<word>[a-z_]\w*)|(?<sign><=|>=|<>|!=|[=<>(),]))/iy
const NESTING_MAX = 50

interface Token {
  readonly kind: 'text' | 'name' | 'number' | 'word' | 'sign'
  readonly text: string
}

/**
 * Reads `region = 'eu' AND (ts >= '2024-01-01T00:00:00Z' OR id IN (1, 2)) AND note IS NOT NULL`: the part of SQL by which
 * files can be left out.
 *
 * @throws MillraceError `CONFIG` with what was expected and where.
 */
export function parseWhere(text: string): WhereText {
  const parser = new Parser(tokensOf(text))
  const condition = parser.either(0)
  parser.end()
  return condition
}

function tokensOf(text: string): readonly Token[] {
  const tokens: Token[] = []
  const pattern = new RegExp(TOKEN)
  while (pattern.lastIndex < text.trimEnd().length) {
    const at = pattern.lastIndex
    const groups = pattern.exec(text)?.groups
    if (groups === undefined) throw refused(`what begins with ${JSON.stringify(text.slice(at, at + 12).trim())}`)
    const { text: quotedText, quoted, number, word, sign } = groups
    if (quotedText !== undefined) tokens.push({ kind: 'text', text: quotedText.slice(1, -1).replaceAll("''", "'") })
    else if (quoted !== undefined) tokens.push({ kind: 'name', text: quoted.slice(1, -1).replaceAll('""', '"') })
    else if (number !== undefined) tokens.push({ kind: 'number', text: number })
    else if (word !== undefined) tokens.push({ kind: 'word', text: word })
    else tokens.push({ kind: 'sign', text: sign ?? '' })
  }
  return tokens
}

class Parser {
  readonly #tokens: readonly Token[]
  #at = 0

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens
  }

  either(depth: number): WhereText {
    const parts = [this.#both(depth)]
    while (this.#takeWord('or')) parts.push(this.#both(depth))
    return joined('or', parts)
  }

  end(): void {
    if (this.#at < this.#tokens.length) throw this.#unexpected('AND, OR or the end')
  }

  #both(depth: number): WhereText {
    const parts = [this.#one(depth)]
    while (this.#takeWord('and')) parts.push(this.#one(depth))
    return joined('and', parts)
  }

  #one(depth: number): WhereText {
    if (depth > NESTING_MAX) throw refused('brackets inside of so many brackets')
    if (this.#takeSign('(')) {
      const inner = this.either(depth + 1)
      if (!this.#takeSign(')')) throw this.#unexpected('`)`')
      return inner
    }
    const column = this.#column()
    if (this.#takeWord('is')) {
      const isNull = !this.#takeWord('not')
      if (!this.#takeWord('null')) throw this.#unexpected('NULL')
      return { kind: 'null', column, isNull }
    }
    if (this.#takeWord('in')) return { kind: 'in', column, values: this.#list() }
    return { kind: 'compare', column, comparison: this.#comparison(), value: this.#value() }
  }

  #column(): string {
    const token = this.#tokens[this.#at]
    if (token?.kind !== 'word' && token?.kind !== 'name') throw this.#unexpected('a column')
    this.#at++
    return token.text
  }

  #comparison(): Comparison {
    const text = this.#tokens[this.#at]?.text
    switch (text) {
      case '=':
      case '!=':
      case '<':
      case '<=':
      case '>':
      case '>=':
        this.#at++
        return text
      case '<>':
        this.#at++
        return '!='
      default:
        throw this.#unexpected('=, <>, <, <=, >, >=, IN or IS')
    }
  }

  #list(): readonly Literal[] {
    if (!this.#takeSign('(')) throw this.#unexpected('`(`')
    const values = [this.#value()]
    while (this.#takeSign(',')) values.push(this.#value())
    if (!this.#takeSign(')')) throw this.#unexpected('`,` or `)`')
    return values
  }

  #value(): Literal {
    const token = this.#tokens[this.#at++]
    if (token?.kind === 'number' || token?.kind === 'text') return { kind: token.kind, text: token.text }
    const word = token?.kind === 'word' ? token.text.toLowerCase() : ''
    if (word === 'true' || word === 'false') return { kind: 'boolean', text: word }
    this.#at--
    throw this.#unexpected("a number, a text in '…', true or false")
  }

  #takeWord(word: string): boolean {
    const token = this.#tokens[this.#at]
    const isThere = token?.kind === 'word' && token.text.toLowerCase() === word
    if (isThere) this.#at++
    return isThere
  }

  #takeSign(sign: string): boolean {
    const token = this.#tokens[this.#at]
    const isThere = token?.kind === 'sign' && token.text === sign
    if (isThere) this.#at++
    return isThere
  }

  #unexpected(wanted: string): MillraceError {
    const token = this.#tokens[this.#at]
    return refused(`expected ${wanted}, found ${token === undefined ? 'the end' : JSON.stringify(token.text)}`)
  }
}

function joined(kind: 'and' | 'or', parts: readonly WhereText[]): WhereText {
  const [only] = parts
  return only !== undefined && parts.length === 1 ? only : { kind, parts }
}

function refused(why: string): MillraceError {
  return new MillraceError(
    `reading \`where\`: ${why}; it takes comparisons of a column with a value, IN, IS NULL, AND, OR and brackets ` +
      '(for everything else use a transform)',
    { code: 'CONFIG' },
  )
}
