import assert from 'node:assert/strict'
import type { Batch, Item } from '../../core/batch.ts'
import type { SchemaChange } from '../../core/changes.ts'
import type { AcknowledgePermit } from '../../core/checkpoint-types.ts'
import type { JsonObject } from '../../core/json.ts'
import type { SplitAssignment, SplitEnumerator, SplitReader } from '../../core/source.ts'
import { recordsOf } from '../read-splits.ts'
import { testLaneContext, testSourceContext } from '../lane-context.ts'
import { discoverSchema } from '../../connectors/mysql-cdc/discover-schema.ts'
import { mysqlCdcOptions, type MysqlCdcOptions } from '../../connectors/mysql-cdc/options.ts'
import type { LogReads } from '../../connectors/mysql-cdc/log-reads.ts'
import { logPosition } from '../../connectors/mysql-cdc/split.ts'
import { MysqlCdcSource } from '../../connectors/mysql-cdc/source.ts'

const PERMIT = { checkpoint: 1 } as AcknowledgePermit

interface State {
  readonly at: Map<string, { assignment: SplitAssignment; finished: boolean }>
  /** Rows by table and key, each as sorted texts of its columns. */
  readonly rows: Map<string, string>
  readonly initial: Map<string, number>
}

/**
 * Runs a source as the engine does, with two lanes and a sink that keeps the last row of each key. `publish` is a
 * checkpoint; `crash` throws away what came since the last one, and the readers with it.
 */
export class Follower implements AsyncDisposable {
  options: MysqlCdcOptions
  readonly changes: SchemaChange[] = []
  #source: MysqlCdcSource
  #enumerator: SplitEnumerator | undefined
  readonly #job: string
  #state: State = { at: new Map(), rows: new Map(), initial: new Map() }
  #published: State = this.#state
  #readers: SplitReader[] = []
  #placed = new Map<string, number>()
  batches = 0

  constructor(job: string, options: object) {
    this.options = mysqlCdcOptions.parse(options)
    this.#job = job
    this.#source = new MysqlCdcSource(this.options)
  }

  get rows(): ReadonlyMap<string, string> {
    return this.#state.rows
  }

  get splits(): readonly string[] {
    return [...this.#state.at.keys()]
  }

  get isFollowingLog(): boolean {
    return this.#state.at.has('log')
  }

  /** What the log's position says of the tables that are read. */
  get reads(): LogReads | undefined {
    const log = this.#state.at.get('log')?.assignment
    return log === undefined ? undefined : logPosition(log.at).reads
  }

  get assignments(): readonly SplitAssignment[] {
    return [...this.#state.at.values()].filter(({ finished }) => !finished).map(({ assignment }) => assignment)
  }

  /** Finds splits, as at a start. */
  async discover(): Promise<void> {
    await this.#enumerator?.close()
    this.#enumerator = this.#source.enumerator(testSourceContext({ job: this.#job }))
    await this.#enumerator.verify(this.assignments)
    await this.discoverMore()
  }

  /** The job ends without a word, and is started again with other options. */
  async restart(options: object): Promise<void> {
    this.options = mysqlCdcOptions.parse(options)
    this.#source = new MysqlCdcSource(this.options)
    await this.crash()
    await this.discover()
  }

  /** Polls each lane once; `between` is called after each item. */
  async step(between: () => void = () => undefined): Promise<void> {
    for (const reader of this.#readers) {
      const items = await reader.poll(AbortSignal.timeout(20_000))
      for (const item of items) {
        this.#take(item)
        between()
      }
    }
  }

  publish(): void {
    this.#published = copy(this.#state)
  }

  async crash(): Promise<void> {
    await this.#closeReaders()
    this.#state = copy(this.#published)
    for (const [split, { finished }] of this.#state.at) if (!finished) await this.#place(split)
  }

  /** Readers read again from where they are, as after a rewind: they stay the same. */
  async reopen(): Promise<void> {
    const byLane = this.#readers.map((_, lane) =>
      this.assignments.filter(({ split }) => this.#placed.get(split) === lane),
    )
    this.#readers.forEach((reader, lane) => reader.assign(byLane[lane] ?? []))
  }

  async stop(): Promise<void> {
    await this.#closeReaders()
  }

  /** What a start asks before anything is read. */
  async verify(): Promise<void> {
    const enumerator = this.#source.enumerator(testSourceContext({ job: this.#job }))
    await enumerator.verify(this.assignments)
    await enumerator.close()
  }

  /** Goes on, with checkpoints, until a row of this table and key is there. */
  async until(isThere: () => boolean): Promise<void> {
    const deadline = AbortSignal.timeout(180_000)
    while (!isThere()) {
      assert.ok(!deadline.aborted, 'the rows come within a minute')
      await this.step()
      this.publish()
      await this.discoverMore()
    }
  }

  /** As after a checkpoint. */
  async discoverMore(): Promise<void> {
    const { at } = this.#state
    const published = [...this.#published.at]
    const open = published.filter(([, { finished }]) => !finished)
    const positions = open.map(([split, { assignment }]) => ({ split, next: assignment.at }))
    await this.#enumerator?.acknowledge(positions, PERMIT)
    const ended = published.filter(([, { finished }]) => finished)
    const ends = new Map<string, JsonObject>(ended.map(([split, { assignment }]) => [split, assignment.at]))
    const first = at.size === 0
    const found = (await this.#enumerator?.discover(new Set(at.keys()), first, new Set(ends.keys()), ends)) ?? []
    for (const split of found) {
      at.set(split.split, { assignment: asStored(split), finished: false })
      await this.#place(split.split)
    }
    if (first) this.publish()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#enumerator?.close()
    await this.#closeReaders()
  }

  async #place(split: string): Promise<void> {
    const lane = this.#placed.size % 2
    this.#placed.set(split, lane)
    while (this.#readers.length <= lane) this.#readers.push(await this.#reader(this.#readers.length))
    const assignment = this.#state.at.get(split)?.assignment
    if (assignment !== undefined) this.#readers[lane]?.add([assignment])
  }

  async #reader(lane: number): Promise<SplitReader> {
    const isOne = this.options.table !== undefined
    const schema = isOne ? await discoverSchema(this.options) : undefined
    const reader = this.#source.reader(
      testLaneContext({ job: this.#job, lane, lanes: 2, tables: !isOne, ...(isOne ? { schema } : {}) }),
    )
    reader.assign([])
    return reader
  }

  async #closeReaders(): Promise<void> {
    const open = this.#readers
    this.#readers = []
    this.#placed = new Map()
    for (const reader of open) await reader.close()
  }

  #take(item: Item): void {
    const entry = this.#state.at.get(item.split)
    assert.ok(entry !== undefined && !entry.finished, `${item.split} is read`)
    if (item.kind === 'batch') this.#apply(item, entry.assignment)
    if (item.kind === 'schema-change') this.changes.push(item)
    const next = item.kind === 'split-end' ? item.at : item.kind === 'watermark' ? undefined : item.next
    if (next !== undefined) entry.assignment = asStored({ ...entry.assignment, at: next })
    if (item.kind === 'split-end') entry.finished = true
  }

  #apply(batch: Batch, { at }: SplitAssignment): void {
    this.batches++
    assert.deepEqual(JSON.parse(JSON.stringify(batch.from)), at, 'positions follow each other')
    const table = batch.table?.id ?? this.options.table ?? ''
    for (const line of recordsOf(batch)) {
      const row = columnsOf(line)
      const key = `${table} ${(batch.table?.key ?? ['id']).map((name) => row.get(name)).join(' ')}`
      const operation = row.get('__op')
      row.delete('__op')
      if (batch.split !== 'log') {
        const round = `${/@.*/.exec(batch.split)?.[0] ?? ''} ${key}`
        const seen = (this.#state.initial.get(round) ?? 0) + 1
        assert.equal(seen, 1, `the initial row ${key} comes once`)
        this.#state.initial.set(round, seen)
      }
      if (row.get('_op') === '"c"') assert.ok(!this.#state.rows.has(key), `${key} is inserted once`)
      row.delete('_op')
      if (operation === '1') this.#state.rows.delete(key)
      else
        this.#state.rows.set(
          key,
          [...row]
            .map(([name, text]) => `${name}=${text}`)
            .toSorted()
            .join('\n'),
        )
    }
    batch.release()
  }
}

/** Each column's value exactly as it stands in the text. */
function columnsOf(line: string): Map<string, string> {
  const columns = new Map<string, string>()
  JSON.parse(line, function (key: string, value: unknown, context?: { source?: string }) {
    if (key !== '') columns.set(key, context?.source ?? JSON.stringify(value))
    return value
  } as (key: string, value: unknown) => unknown)
  return columns
}

function copy({ at, rows, initial }: State): State {
  return {
    at: new Map([...at].map(([split, entry]) => [split, { ...entry }])),
    rows: new Map(rows),
    initial: new Map(initial),
  }
}

/** Manifests carry JSON. */
function asStored(split: SplitAssignment): SplitAssignment {
  return JSON.parse(JSON.stringify(split)) as SplitAssignment
}
