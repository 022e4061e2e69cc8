/** A type as definitions and the server's catalog say it, in one form. */
interface ReadType {
  readonly word: string
  readonly numbers: readonly number[]
  readonly isUnsigned: boolean
}

const INTEGER_BITS: Readonly<Record<string, number>> = {
  boolean: 8,
  tinyint: 8,
  smallint: 16,
  mediumint: 24,
  int: 32,
  integer: 32,
  bigint: 64,
}

const SAME_WORDS: Readonly<Record<string, string>> = {
  numeric: 'decimal',
  'character varying': 'varchar',
  'timestamp without time zone': 'timestamp',
  timestamptz: 'timestamp with time zone',
  'time without time zone': 'time',
  datetime: 'timestamp',
}

/** Of texts without a limit. */
const TEXTS: ReadonlySet<string> = new Set(['text', 'longtext'])
/** Fractional digits where none are said: those of PostgreSQL, which names the time zone; MySQL has none then. */
const FRACTION_DEFAULT = 6

/** Does a column of the type `is`, as the server describes it, hold every value of the type `wanted`? */
export function fits(wanted: string, is: string): boolean {
  const [left, right] = [readType(wanted), readType(is)]
  // Bytes are no text.
  if (TEXTS.has(right.word)) return !/blob|bytea|binary/.test(left.word)
  const [from, to] = [INTEGER_BITS[left.word], INTEGER_BITS[right.word]]
  if (from !== undefined && to !== undefined) return integerFits(left, from, right, to)
  if (right.word === 'decimal') return decimalFits(left, from, right)
  if (left.word !== right.word) return left.word === 'json' && right.word === 'jsonb'
  if (left.word === 'varchar') return (left.numbers[0] ?? Infinity) <= (right.numbers[0] ?? Infinity)
  if (left.word.startsWith('time')) return (left.numbers[0] ?? 0) <= (right.numbers[0] ?? 0)
  return true
}

function integerFits(left: ReadType, from: number, right: ReadType, to: number): boolean {
  if (left.isUnsigned === right.isUnsigned) return from <= to
  return left.isUnsigned && from < to
}

function decimalFits(left: ReadType, bits: number | undefined, right: ReadType): boolean {
  const [precision, scale = 0] = right.numbers
  if (precision === undefined) return left.word === 'decimal' || bits !== undefined
  // 64 bits have 20 digits at most.
  const [digits, places = 0] = bits === undefined ? left.numbers : [Math.ceil(bits * 0.3011), 0]
  if (left.word !== 'decimal' && bits === undefined) return false
  return digits !== undefined && places <= scale && digits - places <= precision - scale
}

function readType(type: string): ReadType {
  const lower = type.toLowerCase().replace(/ (character set|collate) .*$/, '')
  const numbers = (/\(([\d,\s]+)\)/.exec(lower)?.[1] ?? '').split(',').filter((text) => text !== '')
  const word = lower
    .replace(/\(.*?\)/, '')
    .replace(/ (unsigned|zerofill)/g, '')
    .replaceAll(/\s+/g, ' ')
    .trim()
  return {
    word: SAME_WORDS[word] ?? word,
    // MySQL says how wide numbers are shown.
    numbers: INTEGER_BITS[word] !== undefined ? [] : isBareZone(lower) ? [FRACTION_DEFAULT] : numbers.map(Number),
    isUnsigned: lower.includes('unsigned'),
  }
}

function isBareZone(type: string): boolean {
  return /zone|timestamptz/.test(type) && !type.includes('(')
}
