import type avsc from 'avsc'
import { JsonNumber } from '../../core/exact-json.ts'
import type { MessageCoder, SchemaKind } from './message-coder.ts'

/** An Avro schema as an object or as text. Longs are `bigint`, decimals `JsonNumber`; a record is an object with its fields. */
export function avroKind<T>(given: object | string): SchemaKind<T> {
  const schema = typeof given === 'string' ? given : JSON.stringify(given)
  return {
    type: 'AVRO',
    schema,
    async load() {
      const { default: library } = await import('avsc')
      return new AvroCoder<T>(library, schema)
    },
  }
}

class AvroCoder<T> implements MessageCoder<T> {
  readonly #library: typeof avsc
  readonly #schema: string
  readonly #decimal: ReturnType<typeof decimalType>
  readonly #type: avsc.Type

  constructor(library: typeof avsc, schema: string) {
    this.#library = library
    this.#schema = schema
    // One class for both sides: schemas are compared by it.
    this.#decimal = decimalType(library)
    this.#type = this.#typeOf(schema)
  }

  encode(value: T): Uint8Array {
    const wrong: string[] = []
    // The path only: values do not belong in messages of errors.
    this.#type.isValid(value, { errorHook: (path: string[]) => void wrong.push(path.join('.') || 'the record') })
    if (wrong.length > 0) throw new TypeError(`what the schema does not allow: ${wrong.slice(0, 5).join(', ')}`)
    return this.#type.toBuffer(value)
  }

  reader(writerSchema: string): (body: Buffer) => T {
    const isOwn = writerSchema === this.#schema
    const resolver = isOwn ? undefined : this.#type.createResolver(this.#typeOf(writerSchema))
    return (body) => this.#type.fromBuffer(body, resolver) as T
  }

  #typeOf(schema: string): avsc.Type {
    const long = exactLong(this.#library)
    return this.#library.Type.forSchema(JSON.parse(schema) as avsc.Schema, {
      registry: { long },
      logicalTypes: { decimal: this.#decimal },
    })
  }
}

/** 64 bits, exactly. */
function exactLong({ types }: typeof avsc): avsc.Type {
  const isLong = (value: unknown): boolean =>
    (typeof value === 'bigint' && BigInt.asIntN(64, value) === value) || Number.isSafeInteger(value)
  return types.LongType.__with({
    fromBuffer: (buffer: Buffer) => buffer.readBigInt64LE(),
    toBuffer(value: bigint | number) {
      const buffer = Buffer.alloc(8)
      buffer.writeBigInt64LE(BigInt(value))
      return buffer
    },
    fromJSON: BigInt,
    toJSON: Number,
    isValid: isLong,
    compare: (one: bigint, other: bigint) => (one < other ? -1 : Number(one > other)),
  })
}

/** Decimals as two's complement, scaled (Avro specification, "Decimal"). */
function decimalType({ types }: typeof avsc): new (schema: avsc.Schema, options?: unknown) => avsc.types.LogicalType {
  return class DecimalType extends types.LogicalType {
    readonly #scale: number
    readonly #precision: number
    readonly #size: number | undefined

    constructor(schema: avsc.Schema, options?: unknown) {
      super(schema, options)
      const { scale = 0, precision = 38, size } = schema as { scale?: number; precision?: number; size?: number }
      this.#scale = scale
      this.#precision = precision
      this.#size = size
    }

    protected override _fromValue(bytes: Buffer): JsonNumber {
      const hex = bytes.toString('hex')
      const unscaled = bytes.length === 0 ? 0n : BigInt.asIntN(bytes.length * 8, BigInt(`0x${hex}`))
      const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(this.#scale + 1, '0')
      const at = digits.length - this.#scale
      const text = this.#scale === 0 ? digits : `${digits.slice(0, at)}.${digits.slice(at)}`
      return new JsonNumber(unscaled < 0n ? `-${text}` : text)
    }

    protected override _toValue(value: unknown): Buffer | undefined {
      const unscaled = unscaledOf(String(value), this.#scale)
      if (unscaled === undefined || String(unscaled).replace('-', '').length > this.#precision) return undefined
      let bytes = this.#size ?? 1
      if (this.#size === undefined) while (BigInt.asIntN(bytes * 8, unscaled) !== unscaled) bytes++
      if (BigInt.asIntN(bytes * 8, unscaled) !== unscaled) return undefined
      return Buffer.from(
        BigInt.asUintN(bytes * 8, unscaled)
          .toString(16)
          .padStart(bytes * 2, '0'),
        'hex',
      )
    }

    protected override _resolve(type: avsc.Type): ((value: JsonNumber) => JsonNumber) | undefined {
      // Another scale would mean other numbers.
      if (!(type instanceof DecimalType) || type.#scale !== this.#scale) return undefined
      return (value) => value
    }
  }
}

/** `12.5` with scale 2 is 1250. Undefined when digits would be lost, or it is no decimal. */
function unscaledOf(text: string, scale: number): bigint | undefined {
  const match = /^(-?)(\d+)(?:\.(\d*))?$/.exec(text)
  const [, sign = '', whole = '', fraction = ''] = match ?? []
  if (match === null || !/^0*$/.test(fraction.slice(scale))) return undefined
  return BigInt(`${sign}${whole}${fraction.slice(0, scale).padEnd(scale, '0')}`)
}
