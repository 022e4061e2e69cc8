import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { icebergSourceOptions } from '../connectors/iceberg/options.ts'
import { IcebergSource } from '../connectors/iceberg/source.ts'
import { discoverSchema } from '../connectors/iceberg/discover-schema.ts'
import type { Batch, Item } from '../core/batch.ts'
import type { LaneContext } from '../core/context.ts'
import type { Schema } from '../core/schema.ts'
import type { SplitAssignment, SplitReader } from '../core/source.ts'
import { openLaneDatabase, quoteName, type LaneDatabase } from '../dataplane/index.ts'
import { storeOpener } from '../storage/open-store.ts'
import { testLaneContext, testSourceContext } from './lane-context.ts'
import { readSplits } from './read-splits.ts'

const FIXTURES = path.join(import.meta.dirname, '..', '..', 'test', 'fixtures', 'iceberg')
const MEMORY_BYTES = 192 * 1024 * 1024

/** Tables that Spark wrote, as they lie in test/fixtures/iceberg. */
export function fixtureTable(name: string): string {
  return path.join(FIXTURES, name)
}

/** A copy of such a table, as it was at a version of its metadata, that grows when the test says so. */
export class GrowingTable implements Disposable {
  readonly directory: string = mkdtempSync(path.join(tmpdir(), 'millrace-iceberg-'))
  readonly #name: string
  #version: number

  constructor(name: string, version: number) {
    this.#name = name
    this.#version = version
    const isLater = (file: string): boolean => Number(/v(\d+)\.metadata\.json$/.exec(file)?.[1] ?? 0) > version
    cpSync(fixtureTable(name), this.directory, { recursive: true, filter: (file) => !isLater(file) })
    // An old hint: readers have to look further.
    writeFileSync(path.join(this.directory, 'metadata', 'version-hint.text'), '1')
  }

  /** Shows the later versions up to this one. */
  growTo(version: number): void {
    for (; this.#version < version; this.#version++) {
      const file = path.join('metadata', `v${this.#version + 1}.metadata.json`)
      cpSync(path.join(fixtureTable(this.#name), file), path.join(this.directory, file))
    }
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true, force: true })
  }
}

/** The source over one table, with a database such as a lane has. */
export class OpenedIceberg implements AsyncDisposable {
  readonly database: LaneDatabase
  readonly schema: Schema
  readonly #source: IcebergSource
  readonly #context: Partial<LaneContext>
  readonly #readers: SplitReader[] = []

  private constructor(source: IcebergSource, schema: Schema, database: LaneDatabase, context: Partial<LaneContext>) {
    this.#source = source
    this.schema = schema
    this.database = database
    this.#context = context
  }

  static async open(options: Record<string, unknown>, context: Partial<LaneContext> = {}): Promise<OpenedIceberg> {
    const checked = icebergSourceOptions.parse(
      'table' in options ? { relocated: true, discoveryInterval: '100ms', ...options } : options,
    )
    const openStore = context.openStore ?? storeOpener(undefined)
    const schema = await discoverSchema(checked, { baseDirectory: '/', openStore })
    const database = await openLaneDatabase({ memoryLimitBytes: MEMORY_BYTES })
    return new OpenedIceberg(new IcebergSource(checked), schema, database, { ...context, openStore })
  }

  enumerator(): ReturnType<IcebergSource['enumerator']> {
    return this.#source.enumerator(testSourceContext(this.#context))
  }

  async discover(): Promise<readonly SplitAssignment[]> {
    return await this.enumerator().discover(new Set(), true)
  }

  /** Gives tables. */
  reader(): SplitReader {
    const { schema, database } = this
    const context = { format: { kind: 'table' }, schema, database: async () => database } as const
    const reader = this.#source.reader(testLaneContext({ ...this.#context, ...context }))
    this.#readers.push(reader)
    return reader
  }

  /** The rows of a batch, one JSON text each. */
  readonly rows = async (batch: Batch): Promise<string[]> => {
    if (batch.body.kind !== 'table') throw new Error('the batch is a table')
    const names = [...this.schema.map(({ name }) => name), ...(this.#context.metadata ?? [])]
    const object = names.map((name) => `${quoteName(name)} := ${quoteName(name)}`).join(', ')
    const relation = quoteName(batch.body.relation)
    const found = await this.database.run(`SELECT CAST(to_json(struct_pack(${object})) AS VARCHAR) FROM ${relation}`)
    return found.map(([text]) => String(text))
  }

  /** Every row as a JSON text. */
  async readLines(): Promise<string[]> {
    const reader = this.reader()
    const { records } = await readSplits(reader, await this.discover(), Number.POSITIVE_INFINITY, this.rows)
    await reader.close()
    return records
  }

  async readAll(): Promise<Record<string, unknown>[]> {
    return (await this.readLines()).map((text) => JSON.parse(text) as Record<string, unknown>)
  }

  /** A reader whose tables come as JSON lines, for the suite of all sources. */
  lineReader(): SplitReader {
    const reader = this.reader()
    return {
      assign: (splits) => reader.assign(splits),
      add: (splits) => reader.add(splits),
      poll: async (signal) => await Promise.all((await reader.poll(signal)).map((item) => this.#asLines(item))),
      close: () => reader.close(),
    }
  }

  async #asLines(item: Item): Promise<Item> {
    if (item.kind !== 'batch') return item
    const buffer = Buffer.from((await this.rows(item)).map((line) => `${line}\n`).join(''))
    return { ...item, body: { kind: 'bytes', buffer, length: buffer.length, separator: 0x0a } }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#readers.map((reader) => reader.close()))
    await this.database.close()
  }
}
