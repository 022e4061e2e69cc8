import type { StateByStep, StatePart } from '../../checkpoint/kept-state.ts'
import type { Batch } from '../../core/batch.ts'
import type { Schema } from '../../core/schema.ts'
import { keyGroupsOf } from '../../dataplane/key-groups.ts'
import { keyLaneSql, quoteName, type JoinWork, type LaneDatabase } from '../../dataplane/index.ts'
import { StateChain } from '../../runtime/state/state-chain.ts'
import { createJoinIntakeOperator } from '../../transforms/join/join-intake.ts'
import { createJoinOperator } from '../../transforms/join/join.ts'
import type { LaneOperator, OperatorOutput } from '../../transforms/operator.ts'
import type { MemoryFileStore } from '../memory-file-store.ts'

/** A row of either side: `id` tells it from all others. Moments are microseconds. */
export interface JoinRow {
  readonly side: 'left' | 'right'
  readonly id: number
  readonly key: number | null
  readonly at: number | null
}

const LEFT: Schema = [
  { name: 'id', type: 'bigint', nullable: false },
  { name: 'k', type: 'integer', nullable: true },
  { name: 'at', type: 'timestamp(6)', nullable: true },
]
const RIGHT: Schema = [
  { name: 'id', type: 'bigint', nullable: false },
  { name: 'key', type: 'bigint', nullable: true },
  { name: 'at', type: 'timestamp(6)', nullable: true },
]

export function joinWork(before: number, after: number, keepsLeft: boolean): JoinWork {
  return {
    id: 'join',
    left: { input: LEFT, key: ['k'], time: 'at' },
    right: { input: RIGHT, key: ['key'], time: 'at' },
    key: [{ name: '#k0', type: 'HUGEINT' }],
    before,
    after,
    keepsLeft,
    columns: [{ name: 'other', column: 'id' }],
    output: [...LEFT, { name: 'other', type: 'bigint', nullable: true }],
    time: { delay: 0 },
    definition: 'd',
  }
}

interface Lane {
  readonly left: LaneOperator
  readonly right: LaneOperator
  readonly join: LaneOperator
  readonly chain: StateChain
}

/** A join in several lanes of one database, rows between them shared out by key. */
export class JoinWorld {
  readonly #database: LaneDatabase
  readonly #lanes: readonly Lane[]
  /** `left id + right id`, `id alone` or `id late`, since the last look. */
  given: string[] = []

  private constructor(database: LaneDatabase, lanes: readonly Lane[]) {
    this.#database = database
    this.#lanes = lanes
  }

  /** A start of `lanes` lanes from what a checkpoint holds. */
  static async start(
    database: LaneDatabase,
    plan: JoinWork,
    lanes: number,
    epoch: number,
    store: MemoryFileStore,
    from: StateByStep | undefined,
  ): Promise<JoinWorld> {
    const context = { baseDirectory: '', database: async () => database, now: () => 0, sawEventTime: () => undefined }
    const eventTime = from?.['join']?.eventTime
    const made: Lane[] = []
    for (let lane = 0; lane < lanes; lane++) {
      // The lanes of a job have a database each; here their tables lie side by side.
      const work = { ...plan, id: `join ${lane}` }
      const left = createJoinIntakeOperator({ work, side: 'left' }, context)
      const right = createJoinIntakeOperator({ work, side: 'right' }, context)
      const join = createJoinOperator(work, context)
      for (const operator of [left, right, join]) await operator.open()
      if (join.state === undefined) throw new Error('a join keeps state')
      const groups = keyGroupsOf(lane, lanes)
      const chain = new StateChain({ step: 'join', lane, groups, state: join.state, store: async () => store })
      await chain.restore(epoch, from?.['join'])
      for (const operator of [left, right, join]) {
        await operator.begin?.(eventTime === undefined ? undefined : BigInt(eventTime))
      }
      made.push({ left, right, join, chain })
    }
    return new JoinWorld(database, made)
  }

  /** Rows that lane `from` reads. */
  async read(from: number, rows: readonly JoinRow[]): Promise<void> {
    const lane = this.#lanes[from % this.#lanes.length]
    for (const side of ['left', 'right'] as const) {
      const own = rows.filter((row) => row.side === side)
      if (own.length === 0) continue
      const values = own.map(({ id, key, at }) => {
        return `(${id}::BIGINT, ${key ?? 'NULL'}, ${at === null ? 'NULL' : `make_timestamp(${at})`})`
      })
      const type = side === 'left' ? 'INTEGER' : 'BIGINT'
      await this.#database.run(
        `CREATE OR REPLACE TEMP TABLE "the rows" AS SELECT id, k::${type} AS ${side === 'left' ? 'k' : 'key'}, ` +
          `"at"::TIMESTAMP AS "at" FROM (VALUES ${values.join(', ')}) t(id, k, "at")`,
      )
      await lane?.[side].process(this.#batch('the rows', own.length, side === 'left' ? LEFT : RIGHT), {
        emit: async (output, batch) => (output === 0 ? this.#exchange(batch) : this.#note(batch, `id || ' late'`)),
      })
    }
  }

  /** The parts of a checkpoint. */
  async barrier(checkpoint: number, eventTime: bigint | undefined, isEnd: boolean): Promise<StatePart[]> {
    const parts: StatePart[] = []
    const barrier = { checkpoint, eventTime, isEnd }
    for (const { left, right, join, chain } of this.#lanes) {
      for (const operator of [left, right, join]) await operator.cut?.(barrier, this.#out)
      parts.push(await (await chain.save(checkpoint, isEnd))())
    }
    return parts
  }

  get #out(): OperatorOutput {
    const pair = `id || coalesce(' + ' || other, ' alone')`
    return { emit: (output, batch) => this.#note(batch, output === 0 ? pair : `id || ' alone'`) }
  }

  async #exchange(batch: Batch): Promise<void> {
    const relation = relationOf(batch)
    const lane = keyLaneSql(['"#k0"'], this.#lanes.length)
    for (const [index, { join }] of this.#lanes.entries()) {
      const name = `for lane ${index}`
      const part = `CREATE OR REPLACE TEMP TABLE ${quoteName(name)} AS SELECT * FROM ${relation} WHERE ${lane} = ${index}`
      const rows = Number((await this.#database.run(part))[0]?.[0])
      if (rows > 0) await join.process(this.#batch(name, rows, []), this.#out)
    }
    batch.release()
  }

  async #note(batch: Batch, text: string): Promise<void> {
    for (const [one] of await this.#database.run(`SELECT ${text} FROM ${relationOf(batch)}`))
      this.given.push(String(one))
    batch.release()
  }

  #batch(relation: string, rows: number, schema: Schema): Batch {
    const body = { kind: 'table', relation, schema } as const
    return { kind: 'batch', split: 's', from: {}, next: {}, rows, bytes: rows * 20, body, release: () => undefined }
  }
}

function relationOf({ body }: Batch): string {
  if (body.kind !== 'table') throw new Error('operators of a join give tables')
  return quoteName(body.relation)
}
