import type { Batch } from '../../core/batch.ts'
import type { Schema } from '../../core/schema.ts'
import type { StateByStep, StatePart } from '../../checkpoint/kept-state.ts'
import { compileAggregates } from '../../dataplane/compile-aggregates.ts'
import { keyGroupsOf } from '../../dataplane/key-groups.ts'
import {
  keyLaneSql,
  parseColumnType,
  quoteName,
  type AggregateWork,
  type LaneDatabase,
  type Window,
} from '../../dataplane/index.ts'
import { StateChain } from '../../runtime/state/state-chain.ts'
import { createAggregateOperator } from '../../transforms/aggregate/aggregate.ts'
import { createPartialOperator } from '../../transforms/aggregate/partial.ts'
import type { LaneOperator, OperatorOutput } from '../../transforms/operator.ts'
import type { MemoryFileStore } from '../memory-file-store.ts'
import type { Row } from './aggregate-model.ts'

const INPUT: Schema = [
  { name: 'k', type: 'integer', nullable: true },
  { name: 'at', type: 'timestamp(6)', nullable: true },
  { name: 'amount', type: 'decimal(10,2)', nullable: false },
]
const AGGREGATES = { n: 'count(*)', total: 'sum(amount)', least: 'min(amount)', different: 'count(DISTINCT amount)' }

/** Looks at the clock between early results. */
const EMIT_EVERY = 3

interface Lane {
  readonly partial: LaneOperator
  readonly aggregate: LaneOperator
  readonly chain: StateChain
}

/** Both halves of an aggregate in several lanes of one database, rows between them shared out by key. */
export class AggregateWorld {
  readonly #database: LaneDatabase
  readonly #work: AggregateWork
  readonly #lanes: readonly Lane[]
  readonly #epoch: number
  #read = 0
  /** Results by key and window (undefined: it is deleted), and late rows: what came since the last look. */
  results: [key: string, result: string | undefined][] = []
  late = 0

  private constructor(database: LaneDatabase, work: AggregateWork, lanes: readonly Lane[], epoch: number) {
    this.#epoch = epoch
    this.#database = database
    this.#work = work
    this.#lanes = lanes
  }

  /** `isEarly`: results of open windows come with some of the barriers. */
  static async plan(
    database: LaneDatabase,
    { window, lateness, isEarly }: { window: Window | undefined; lateness: number; isEarly: boolean },
  ): Promise<AggregateWork> {
    const columns = INPUT.map((column) => ({ ...column, type: parseColumnType(column.type) }))
    const groupBy = columns.slice(0, 1)
    const made = await compileAggregates(database, { columns, groupBy, time: '#us', aggregates: AGGREGATES })
    if ('findings' in made) throw new Error(JSON.stringify(made.findings))
    const bounds = window === undefined ? [] : ['window_start', 'window_end']
    const retracts = window?.kind === 'session' && (isEarly || lateness > 0)
    const output: Schema = [
      ...INPUT.slice(0, 1),
      ...bounds.map((name) => ({ name, type: 'timestamp(6)', nullable: false })),
      ...made.results.map(({ name, type }) => ({ name, type, nullable: true })),
      ...(retracts ? [{ name: '__op', type: 'tinyint', nullable: false }] : []),
    ]
    const { parts, calls, results } = made
    const time = { column: 'at', delay: 0 }
    const base = { id: 'agg', input: INPUT, groupBy: ['k'], time, lateness, parts, calls, results, output }
    return {
      ...base,
      retracts,
      ...(window && { window }),
      ...(isEarly && { emitEveryMs: EMIT_EVERY }),
      definition: 'd',
    }
  }

  /** A start of `lanes` lanes from what a checkpoint holds. */
  static async start(
    database: LaneDatabase,
    plan: AggregateWork,
    lanes: number,
    epoch: number,
    store: MemoryFileStore,
    from: StateByStep | undefined,
  ): Promise<AggregateWorld> {
    const made: Lane[] = []
    // Every look at the clock is a barrier of a lane.
    let looks = 0
    const now = (): number => looks++
    const context = { baseDirectory: '', database: async () => database, now, sawEventTime: () => undefined }
    const eventTime = from?.['agg']?.eventTime
    for (let lane = 0; lane < lanes; lane++) {
      // The lanes of a job have a database each; here their tables lie side by side.
      const work = { ...plan, id: `agg ${lane}` }
      const partial = createPartialOperator(work, context)
      const aggregate = createAggregateOperator(work, context)
      await partial.open()
      await aggregate.open()
      if (aggregate.state === undefined) throw new Error('an aggregate keeps state')
      const groups = keyGroupsOf(lane, lanes)
      const options = { step: 'agg', lane, groups, state: aggregate.state, store: async () => store }
      const chain = new StateChain(options)
      await chain.restore(epoch, from?.['agg'])
      const time = eventTime === undefined ? undefined : BigInt(eventTime)
      await partial.begin?.(time)
      await aggregate.begin?.(time)
      made.push({ partial, aggregate, chain })
    }
    return new AggregateWorld(database, plan, made, epoch)
  }

  /** Rows that lane `from` reads. */
  async read(from: number, rows: readonly Row[]): Promise<void> {
    const lane = this.#lanes[from % this.#lanes.length]
    const values = rows.map(({ key, at, amount }) => {
      return `(${key ?? 'NULL'}, ${at === null ? 'NULL' : `make_timestamp(${at})`}, ${(amount / 100).toFixed(2)})`
    })
    const types = `CAST(k AS INTEGER) AS k, CAST("at" AS TIMESTAMP) AS "at", CAST(amount AS DECIMAL(10,2)) AS amount`
    // The first half holds them for a while.
    const name = `rows ${this.#read++} of ${this.#epoch}`
    await this.#database.run(
      `CREATE OR REPLACE TEMP TABLE ${quoteName(name)} AS SELECT ${types} FROM (VALUES ${values.join(', ')}) t(k, "at", amount)`,
    )
    await lane?.partial.process(this.#batch(name, rows.length), this.#between)
  }

  /** A lane has something to give. Looking lets time go by. */
  get isDue(): boolean {
    return this.#lanes.some(({ aggregate }) => aggregate.isDue === true)
  }

  get #between(): OperatorOutput {
    return { emit: async (output, batch) => (output === 0 ? this.#exchange(batch) : this.#countLate(batch)) }
  }

  /** The parts of a checkpoint; results of it are in `results`. */
  async barrier(checkpoint: number, eventTime: bigint | undefined, isEnd: boolean): Promise<StatePart[]> {
    const parts: StatePart[] = []
    const out: OperatorOutput = { emit: (_output, batch) => this.#take(batch) }
    const barrier = { checkpoint, eventTime, isEnd }
    for (const { partial } of this.#lanes) await partial.cut?.(barrier, this.#between)
    for (const lane of this.#lanes) {
      await lane.aggregate.cut?.(barrier, out)
      parts.push(await (await lane.chain.save(checkpoint, isEnd))())
    }
    return parts
  }

  async #exchange(batch: Batch): Promise<void> {
    const relation = relationOf(batch)
    const lane = keyLaneSql(['k'], this.#lanes.length)
    for (const [index, { aggregate }] of this.#lanes.entries()) {
      const name = `for lane ${index}`
      const part = `CREATE OR REPLACE TEMP TABLE ${quoteName(name)} AS SELECT * FROM ${relation} WHERE ${lane} = ${index}`
      const rows = Number((await this.#database.run(part))[0]?.[0])
      if (rows > 0) await aggregate.process(this.#batch(name, rows), { emit: async () => undefined })
    }
    batch.release()
  }

  async #countLate(batch: Batch): Promise<void> {
    this.late += batch.rows
    batch.release()
  }

  async #take(batch: Batch): Promise<void> {
    const bounds = this.#work.window === undefined ? '0, 0' : 'epoch_us(window_start), epoch_us(window_end)'
    const cents = 'CAST(total * 100 AS BIGINT), CAST(least * 100 AS BIGINT)'
    const op = this.#work.retracts === true ? '__op' : '0'
    const columns = `k, ${bounds}, n, ${cents}, different`
    const deleted = await this.#database.run(`SELECT ${columns} FROM ${relationOf(batch)} WHERE ${op} = 1`)
    const put = await this.#database.run(`SELECT ${columns} FROM ${relationOf(batch)} WHERE ${op} = 0`)
    const keyOf = (row: readonly unknown[]): string => row.slice(0, 3).join(' ')
    for (const row of deleted) this.results.push([keyOf(row), undefined])
    for (const row of put) this.results.push([keyOf(row), row.map((value) => String(value)).join(' ')])
    batch.release()
  }

  #batch(relation: string, rows: number): Batch {
    const body = { kind: 'table', relation, schema: INPUT } as const
    const release = (): void => void this.#database.run(`DROP TABLE IF EXISTS ${quoteName(relation)}`)
    return { kind: 'batch', split: 's', from: {}, next: {}, rows, bytes: rows * 20, body, release }
  }
}

function relationOf({ body }: Batch): string {
  if (body.kind !== 'table') throw new Error('operators of an aggregate give tables')
  return quoteName(body.relation)
}
