import { createHash, randomUUID } from 'node:crypto'
import { mkdirSync, openSync, readSync, closeSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import avro, { type Schema as AvroSchema } from 'avsc'
import { readFooter } from '../dataplane/parquet-source/index.ts'
import { openTableMaker, type TableMaker } from './table-maker.ts'

/** A column of a table to be made: its name, Iceberg type, in the order of the SELECTs. */
export interface MadeColumn {
  readonly name: string
  readonly type:
    | 'long'
    | 'int'
    | 'string'
    | 'double'
    | 'boolean'
    | 'date'
    | 'timestamptz'
    | `decimal(${number}, ${number})`
}

interface MadeSnapshot {
  readonly id: bigint
  readonly parent: bigint | undefined
  readonly sequence: number
  readonly manifestList: string
  readonly records: number
}

const LONG = avro.types.LongType.__with({
  fromBuffer: (buffer: Buffer) => buffer.readBigInt64LE(),
  toBuffer: (value: bigint) => {
    const buffer = Buffer.alloc(8)
    buffer.writeBigInt64LE(value)
    return buffer
  },
  fromJSON: BigInt,
  toJSON: String,
  isValid: (value: unknown) => typeof value === 'bigint',
  compare: (left: bigint, right: bigint) => (left < right ? -1 : left > right ? 1 : 0),
})

const field = (id: number, name: string, type: unknown): object => ({ 'field-id': id, name, type })
const optional = (id: number, name: string, type: unknown): object => ({
  'field-id': id,
  name,
  type: ['null', type],
  default: null,
})

/** As apache/iceberg format/spec.md, "Manifests" and "Manifest Lists" have them; only what has to be there. */
const MANIFEST = {
  type: 'record',
  name: 'manifest_entry',
  fields: [
    field(0, 'status', 'int'),
    optional(1, 'snapshot_id', 'long'),
    optional(3, 'sequence_number', 'long'),
    field(2, 'data_file', {
      type: 'record',
      name: 'r2',
      fields: [
        field(134, 'content', 'int'),
        field(100, 'file_path', 'string'),
        field(101, 'file_format', 'string'),
        field(102, 'partition', { type: 'record', name: 'r102', fields: [] }),
        field(103, 'record_count', 'long'),
        field(104, 'file_size_in_bytes', 'long'),
        optional(132, 'split_offsets', { type: 'array', items: 'long', 'element-id': 133 }),
      ],
    }),
  ],
}
const MANIFEST_LIST = {
  type: 'record',
  name: 'manifest_file',
  fields: [
    field(500, 'manifest_path', 'string'),
    field(501, 'manifest_length', 'long'),
    field(502, 'partition_spec_id', 'int'),
    field(517, 'content', 'int'),
    field(515, 'sequence_number', 'long'),
    field(516, 'min_sequence_number', 'long'),
    field(503, 'added_snapshot_id', 'long'),
  ],
}

/**
 * Makes tables of format version 2 in a directory, for tests and measurements that need more rows than a fixture holds.
 * Snapshots only append.
 */
export class IcebergMaker implements AsyncDisposable {
  readonly directory: string
  readonly #columns: readonly MadeColumn[]
  readonly #maker: TableMaker
  readonly #uuid = randomUUID()
  readonly #snapshots: MadeSnapshot[] = []
  readonly #manifests: object[] = []
  #version = 0
  #files = 0

  private constructor(directory: string, columns: readonly MadeColumn[], maker: TableMaker) {
    this.directory = directory
    this.#columns = columns
    this.#maker = maker
  }

  static async create(directory: string, columns: readonly MadeColumn[]): Promise<IcebergMaker> {
    mkdirSync(path.join(directory, 'metadata'), { recursive: true })
    mkdirSync(path.join(directory, 'data'), { recursive: true })
    const made = new IcebergMaker(directory, columns, await openTableMaker())
    made.#publish()
    return made
  }

  /** One snapshot with a data file for each SELECT. `options` go into DuckDB's COPY. Returns the snapshot's id. */
  async append(selects: readonly string[], options = 'COMPRESSION zstd'): Promise<string> {
    const sequence = this.#snapshots.length + 1
    // Ids above 2^53, as real ones are.
    const id = (BigInt(sequence) << 56n) + 9_007_199_254_740_993n
    const entries = []
    let records = 0
    for (const select of selects) {
      const made = await this.#dataFile(select, options)
      records += made.records
      const data_file = { content: 0, file_format: 'PARQUET', partition: {}, ...made.file }
      entries.push({ status: 1, snapshot_id: id, sequence_number: null, data_file })
    }
    const manifest = this.#path(`m${sequence}.avro`)
    const length = writeContainer(manifest, MANIFEST, entries)
    this.#manifests.push({
      manifest_path: manifest,
      manifest_length: BigInt(length),
      partition_spec_id: 0,
      content: 0,
      sequence_number: BigInt(sequence),
      min_sequence_number: BigInt(sequence),
      added_snapshot_id: id,
    })
    const manifestList = this.#path(`snap-${id}.avro`)
    writeContainer(manifestList, MANIFEST_LIST, this.#manifests)
    this.#snapshots.push({ id, parent: this.#snapshots.at(-1)?.id, sequence, manifestList, records })
    this.#publish()
    return String(id)
  }

  /** Takes the oldest snapshots out of the metadata, so that this many are left. */
  expireTo(count: number): void {
    this.#snapshots.splice(0, this.#snapshots.length - count)
    this.#publish()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#maker[Symbol.asyncDispose]()
  }

  #path(name: string): string {
    return path.join(this.directory, 'metadata', name)
  }

  async #dataFile(select: string, options: string): Promise<{ file: object; records: number }> {
    const file = path.join(this.directory, 'data', `${String(++this.#files).padStart(5, '0')}.parquet`)
    const ids = this.#columns.map(({ name }, index) => `${name}: ${index + 1}`).join(', ')
    await this.#maker.write(file, select, `FIELD_IDS {${ids}}, ${options}`)
    const { size } = statSync(file)
    const descriptor = openSync(file, 'r')
    const read = async (start: number, end: number): Promise<Buffer> => {
      const bytes = Buffer.alloc(end - start)
      return bytes.subarray(0, readSync(descriptor, bytes, 0, bytes.length, start))
    }
    const { footer } = await readFooter({ name: file, size, read })
    closeSync(descriptor)
    return {
      records: footer.rows,
      file: {
        file_path: file,
        record_count: BigInt(footer.rows),
        file_size_in_bytes: BigInt(size),
        split_offsets: footer.groups.map(({ start }) => BigInt(start)),
      },
    }
  }

  /** The numbers of 64 bits are written by hand: JSON.stringify has none. */
  #publish(): void {
    const fields = this.#columns.map(({ name, type }, index) => ({ id: index + 1, name, required: false, type }))
    const snapshots = this.#snapshots.map(
      ({ id, parent, sequence, manifestList, records }) =>
        `{"snapshot-id":${id},${parent === undefined ? '' : `"parent-snapshot-id":${parent},`}"sequence-number":${sequence},` +
        `"timestamp-ms":${sequence},"manifest-list":${JSON.stringify(manifestList)},"schema-id":0,` +
        `"summary":{"operation":"append","added-records":"${records}"}}`,
    )
    const head = {
      'format-version': 2,
      'table-uuid': this.#uuid,
      location: this.directory,
      'last-sequence-number': this.#snapshots.at(-1)?.sequence ?? 0,
      'last-updated-ms': 0,
      'last-column-id': fields.length,
      'current-schema-id': 0,
      schemas: [{ type: 'struct', 'schema-id': 0, fields }],
      'default-spec-id': 0,
      'partition-specs': [{ 'spec-id': 0, fields: [] }],
      'last-partition-id': 999,
      'default-sort-order-id': 0,
      'sort-orders': [{ 'order-id': 0, fields: [] }],
      properties: {},
    }
    const current = this.#snapshots.at(-1)?.id ?? -1
    const text = `${JSON.stringify(head).slice(0, -1)},"current-snapshot-id":${current},"snapshots":[${snapshots.join()}]}`
    this.#version++
    writeFileSync(this.#path(`v${this.#version}.metadata.json`), text)
    writeFileSync(this.#path('version-hint.text'), String(this.#version))
  }
}

/** Returns the file's size. */
function writeContainer(file: string, schema: object, records: readonly object[]): number {
  const type = avro.Type.forSchema(schema as AvroSchema, { registry: { long: LONG } })
  const body = Buffer.concat(records.map((record) => type.toBuffer(record)))
  const number = avro.Type.forSchema('long')
  const header = avro.Type.forSchema({ type: 'map', values: 'bytes' }).toBuffer({
    'avro.schema': Buffer.from(JSON.stringify(schema)),
    'avro.codec': Buffer.from('null'),
    'format-version': Buffer.from('2'),
  })
  const sync = createHash('md5').update(body).digest()
  const counts = [number.toBuffer(records.length), number.toBuffer(body.length)]
  const bytes = Buffer.concat([Buffer.from('Obj\x01', 'latin1'), header, sync, ...counts, body, sync])
  writeFileSync(file, bytes)
  return bytes.length
}
