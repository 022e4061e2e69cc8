import { MillraceError } from '../../core/errors.ts'
import { BINARY_COLLATION, type Charsets, type Decode } from './charsets.ts'
import { TYPE } from './column-types.ts'
import { decimalBytes } from './decimal.ts'
import type { MappedColumn, TableMap } from './table-map.ts'
import { fractionBytes } from './temporal.ts'

/** What a value looks like in a row event, and so how it is read. */
export const FORM = {
  int8: 1,
  uint8: 2,
  int16: 3,
  uint16: 4,
  int24: 5,
  uint24: 6,
  int32: 7,
  uint32: 8,
  int64: 9,
  uint64: 10,
  float: 11,
  double: 12,
  decimal: 13,
  year: 14,
  date: 15,
  time2: 16,
  datetime2: 17,
  timestamp2: 18,
  timestamp: 19,
  bit: 20,
  utf8: 21,
  encoded: 22,
  bytes: 23,
  choice: 24,
  set: 25,
  json: 26,
} as const

export type Form = (typeof FORM)[keyof typeof FORM]

/** One column as the reader of rows needs it. */
export interface ColumnLayout {
  readonly form: Form
  /** Bytes of the value; for texts and bytes: of the length that stands in front of it. */
  readonly size: number
  readonly isLengthPrefixed: boolean
  /** Digits of a second, or the scale of a decimal. */
  readonly digits: number
  readonly precision: number
  /** BINARY(n): the server cuts zeros off the end, so they are put back up to here. */
  readonly padTo: number
  readonly decode: Decode | undefined
  /** JSON strings of an enum's or a set's names; of an enum the first is the empty one, for index 0. */
  readonly names: readonly string[]
  /** What stands before the value, `,"name":`; undefined: the column is not read. */
  readonly prefix: Buffer | undefined
  readonly isKey: boolean
}

export interface LayoutOptions {
  readonly charsets: Charsets
  /** Columns to leave out. */
  readonly without?: ReadonlySet<string>
}

export function layoutOf(map: TableMap, options: LayoutOptions): readonly ColumnLayout[] {
  return map.columns.map((column) => {
    const isLeftOut = options.without?.has(column.name) === true
    try {
      const value = valueLayout(column, options.charsets, isLeftOut)
      const prefix = isLeftOut ? undefined : Buffer.from(`,${JSON.stringify(column.name)}:`)
      return { ...NOTHING, ...value, prefix, isKey: column.isKey }
    } catch (thrown) {
      if (!(thrown instanceof MillraceError)) throw thrown
      throw new MillraceError(`column ${column.name} of ${map.database}.${map.table}: ${thrown.message}`, {
        code: thrown.code,
        detail: thrown.detail,
        cause: thrown,
      })
    }
  })
}

type ValueLayout = Partial<ColumnLayout> & Pick<ColumnLayout, 'form' | 'size'>

const NOTHING = {
  isLengthPrefixed: false,
  digits: 0,
  precision: 0,
  padTo: 0,
  decode: undefined,
  names: [],
} as const

function valueLayout(column: MappedColumn, charsets: Charsets, isLeftOut: boolean): ValueLayout {
  const { type, metadata, isUnsigned } = column
  switch (type) {
    case TYPE.tiny:
      return { form: isUnsigned ? FORM.uint8 : FORM.int8, size: 1 }
    case TYPE.short:
      return { form: isUnsigned ? FORM.uint16 : FORM.int16, size: 2 }
    case TYPE.int24:
      return { form: isUnsigned ? FORM.uint24 : FORM.int24, size: 3 }
    case TYPE.long:
      return { form: isUnsigned ? FORM.uint32 : FORM.int32, size: 4 }
    case TYPE.longlong:
      return { form: isUnsigned ? FORM.uint64 : FORM.int64, size: 8 }
    case TYPE.float:
      return { form: FORM.float, size: 4 }
    case TYPE.double:
      return { form: FORM.double, size: 8 }
    case TYPE.newdecimal: {
      const precision = metadata >> 8
      const scale = metadata & 0xff
      return { form: FORM.decimal, size: decimalBytes(precision, scale), precision, digits: scale }
    }
    case TYPE.year:
      return { form: FORM.year, size: 1 }
    case TYPE.date:
    case TYPE.newdate:
      return { form: FORM.date, size: 3 }
    case TYPE.time2:
      return { form: FORM.time2, size: 3 + fractionBytes(metadata), digits: metadata }
    case TYPE.datetime2:
      return { form: FORM.datetime2, size: 5 + fractionBytes(metadata), digits: metadata }
    case TYPE.timestamp2:
      return { form: FORM.timestamp2, size: 4 + fractionBytes(metadata), digits: metadata }
    case TYPE.timestamp:
      return { form: FORM.timestamp, size: 4 }
    case TYPE.bit:
      return { form: FORM.bit, size: (metadata + 7) >> 3 }
    case TYPE.enum:
      return { form: FORM.choice, size: metadata, names: choiceNames(column, charsets, ['""']) }
    case TYPE.set:
      return { form: FORM.set, size: metadata, names: choiceNames(column, charsets, []) }
    case TYPE.json:
      return { form: FORM.json, size: metadata, isLengthPrefixed: true }
    case TYPE.varchar:
    case TYPE.varString:
    case TYPE.string:
      return textLayout(column, metadata > 255 ? 2 : 1, charsets, isLeftOut)
    case TYPE.blob:
      return textLayout(column, metadata, charsets, isLeftOut)
    case TYPE.geometry:
    case TYPE.vector:
      return { form: FORM.bytes, size: metadata, isLengthPrefixed: true }
    default:
      throw new MillraceError(
        `the binlog has a value of the type ${type}, which is not supported. Leave the column out with \`without\``,
        { code: 'SCHEMA', detail: { type } },
      )
  }
}

function textLayout(column: MappedColumn, size: number, charsets: Charsets, isLeftOut: boolean): ValueLayout {
  const base = { size, isLengthPrefixed: true } as const
  if (isLeftOut) return { ...base, form: FORM.bytes }
  if (column.collation === BINARY_COLLATION) {
    return { ...base, form: FORM.bytes, padTo: column.type === TYPE.string ? column.metadata : 0 }
  }
  if (charsets.isUtf8(column.collation)) return { ...base, form: FORM.utf8 }
  return { ...base, form: FORM.encoded, decode: charsets.decoder(column.collation) }
}

function choiceNames(column: MappedColumn, charsets: Charsets, before: readonly string[]): string[] {
  const decode = charsets.decoder(column.collation)
  return [...before, ...column.values.map((name) => JSON.stringify(decode(name)))]
}
