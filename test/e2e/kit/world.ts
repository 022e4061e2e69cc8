import assert from 'node:assert/strict'
import type { CheckpointEntry } from '../../../src/checkpoint/entries.ts'
import { openTestBucket, type TestBucket } from '../../../scripts/services/s3-bucket.ts'
import { isOnS3 } from './cells.ts'
import { assertBalanced, PipelineHome, positionsOf } from './pipeline-home.ts'
import { ROW_SCHEMA } from './rows.ts'
import { filesOnS3, hudiOnS3 } from './targets-on-s3.ts'
import { sqlTarget } from './targets-on-sql.ts'
import { filesTarget, hudiTarget, kafkaTarget, startWarehouse, type Target } from './targets.ts'
import type { Broker, Topic } from './topic.ts'
import { VisibleRows } from './visible-rows.ts'

export interface WorldOptions {
  readonly broker: Broker
  readonly sink: Target['kind']
  readonly partitions?: number
  /** Rows per partition that are there before the first start. */
  readonly rows: number
  /** The job ends when it has read them; otherwise it runs until it is stopped. */
  readonly isBounded?: boolean
  readonly interval?: string
  /** Checkpoints that the log keeps; default 3. */
  readonly retained?: number
  /** Steps between the source `rows` and the sink, and the one that the sink reads. */
  readonly transforms?: string
  readonly lastStep?: string
  /** Further options of the source. */
  readonly source?: string
  /** Default 2. */
  readonly lanes?: number
}

/** One job from a topic to a sink, with all that a test needs to hurt and to audit it. */
export class World<T extends Target = Target> implements AsyncDisposable {
  readonly home: PipelineHome
  readonly topic: Topic
  readonly target: T
  readonly #stack: AsyncDisposableStack

  private constructor(home: PipelineHome, topic: Topic, target: T, stack: AsyncDisposableStack) {
    this.home = home
    this.topic = topic
    this.target = target
    this.#stack = stack
  }

  static async create(options: WorldOptions): Promise<World> {
    await using stack = new AsyncDisposableStack()
    const bucket = isOnS3(options.sink) ? stack.use(await openTestBucket()) : undefined
    const home = stack.use(await PipelineHome.create(bucket))
    const topic = stack.use(await options.broker.createTopic(options.partitions ?? 3))
    const target = stack.use(await openTarget(options.sink, home.directory, options.broker, bucket))
    await topic.append(options.rows)
    writePipeline(options, { home, topic, target })
    return new World(home, topic, target, stack.move())
  }

  /** Checks what readers see at this moment, and returns the rows per partition. */
  async auditVisible(): Promise<number[]> {
    const rows = new VisibleRows(this.topic.counts)
    await this.target.read(rows)
    const visible = rows.prefixes()
    if (this.#isAtomic) await this.#assertBoundary(visible)
    return visible
  }

  /** Checks that a job that has ended well has done everything, and tidied up. */
  async auditEnd(): Promise<void> {
    assert.deepEqual(await this.auditVisible(), this.topic.counts, 'every row is there')
    assert.deepEqual(await this.target.residue(), [], 'nothing is left open in the sink')
    assert.deepEqual(this.home.logResidue(), [], 'nor in the checkpoint log')
    const entries = await this.home.entries()
    assertBalanced(entries)
    const { pending, ended } = await this.home.lineage()
    assert.deepEqual([pending.length, ended === undefined], [0, false])
  }

  /** True when all rows of the topic are in a confirmed checkpoint. */
  async isCaughtUp(): Promise<boolean> {
    const { newest, confirmedUpTo } = await this.home.lineage()
    if (newest === undefined || newest.checkpoint > confirmedUpTo) return false
    const positions = positionsOf(newest, this.topic.counts.length)
    return positions.every((position, part) => position === this.topic.counts[part])
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync()
  }

  /** One transaction holds all rows of a checkpoint: readers see whole checkpoints. */
  get #isAtomic(): boolean {
    return /^(starrocks|hudi|mariadb|postgres)/.test(this.target.kind)
  }

  async #assertBoundary(visible: readonly number[]): Promise<void> {
    const published = (await this.home.entries()).filter(
      (entry): entry is CheckpointEntry => entry.kind === 'checkpoint',
    )
    const boundaries = published.map((entry) => positionsOf(entry, visible.length).join())
    const nothing = visible.map(() => 0).join()
    assert.ok(
      [nothing, ...boundaries].includes(visible.join()),
      `readers see ${visible.join()} rows; published are ${boundaries.join(' | ') || 'none'}`,
    )
  }
}

function writePipeline(options: WorldOptions, { home, topic, target }: Pick<World, 'home' | 'topic' | 'target'>): void {
  const end = options.isBounded === true ? 'latest' : 'never'
  const kafka = `connector: kafka, brokers: ['${options.broker.address}'], topics: [${topic.name}], end: ${end}${options.source === undefined ? '' : `, ${options.source}`}`
  // Hudi takes tables, so a query stands before it; the others are handed the bytes of the source.
  const query = `checked: {from: rows, sql: 'SELECT part, seq, pad FROM rows WHERE seq >= 0'}`
  const { transforms, lastStep = 'rows' } = options.sink.startsWith('hudi')
    ? { transforms: query, lastStep: 'checked' }
    : options
  home.write({
    sources: `rows: {${kafka}, schema: ${ROW_SCHEMA}}`,
    ...(transforms === undefined ? {} : { transforms }),
    sinks: `out: {from: ${lastStep}, ${target.options}}`,
    ...(options.retained === undefined ? {} : { retained: options.retained }),
    ...(options.interval === undefined ? {} : { interval: options.interval }),
    ...(options.lanes === undefined ? {} : { parallelism: options.lanes }),
  })
}

function openTarget(
  kind: Target['kind'],
  directory: string,
  broker: Broker,
  bucket?: TestBucket,
): Promise<Target> | Target {
  switch (kind) {
    case 'files':
      return filesTarget(directory)
    case 'hudi':
      return hudiTarget(directory, 'seq % 3 AS third')
    case 'starrocks':
    case 'doris':
      return startWarehouse(kind)
    case 'kafka':
      return kafkaTarget(broker.address)
    case 'mariadb':
    case 'postgres':
      return sqlTarget(kind)
    case 'hudi-s3':
    case 'files-s3':
      assert.ok(bucket !== undefined)
      return kind === 'hudi-s3' ? hudiOnS3(bucket) : filesOnS3(bucket)
  }
}
