import { MillraceError } from '../../core/errors.ts'
import { namesById, type RecordSchema } from './avro-file.ts'

type AvroRecord = Readonly<Record<string, unknown>>

/** Fields of the records of one schema, by the ids of Iceberg's specification. */
export class RecordFields {
  readonly #names: ReadonlyMap<number, string>
  readonly #what: string

  constructor(schema: RecordSchema, what: string) {
    this.#names = namesById(schema)
    this.#what = what
  }

  get(record: AvroRecord, id: number): unknown {
    const name = this.#names.get(id)
    return name === undefined ? undefined : (record[name] ?? undefined)
  }

  text(record: AvroRecord, id: number): string {
    return this.optionalText(record, id) ?? this.#missing(id)
  }

  optionalText(record: AvroRecord, id: number): string | undefined {
    const value = this.get(record, id)
    return typeof value === 'string' ? value : undefined
  }

  number(record: AvroRecord, id: number): number {
    return this.optionalNumber(record, id) ?? this.#missing(id)
  }

  /** For lengths, counts and sequence numbers, which stay far below 2^53. */
  optionalNumber(record: AvroRecord, id: number): number | undefined {
    const value = this.get(record, id)
    return typeof value === 'number' || typeof value === 'bigint' ? Number(value) : undefined
  }

  /** A 64-bit id as decimal text. */
  id(record: AvroRecord, id: number): string | undefined {
    const value = this.get(record, id)
    return typeof value === 'bigint' ? String(value) : undefined
  }

  bytes(record: AvroRecord, id: number): Buffer | undefined {
    const value = this.get(record, id)
    return Buffer.isBuffer(value) ? value : undefined
  }

  numbers(record: AvroRecord, id: number): readonly number[] | undefined {
    const value = this.get(record, id)
    return Array.isArray(value) ? value.map(Number) : undefined
  }

  /** Maps with whole-number keys are lists of `{key, value}` records. */
  map<V>(record: AvroRecord, id: number, take: (value: unknown) => V): ReadonlyMap<number, V> {
    const value = this.get(record, id)
    if (!Array.isArray(value)) return new Map()
    return new Map((value as AvroRecord[]).map((entry) => [Number(entry['key']), take(entry['value'])]))
  }

  #missing(id: number): never {
    throw new MillraceError(`reading ${this.#what}: the field ${id} is missing`, { code: 'DECODE' })
  }
}
