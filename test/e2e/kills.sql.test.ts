/** Tables by key on real database servers, filled by jobs that are killed, and that have a twin. */
import assert from 'node:assert/strict'
import { suite, test, type TestContext } from 'node:test'
import { armed, CELLS, cellText, hitsOf, phaseOf, whyUnreachable, type Cell } from './kit/cells.ts'
import { Chance } from './kit/chance.ts'
import { caughtUp, endedWell, isConfirmed, killAt } from './kit/kills.ts'
import { PipelineHome, positionsOf } from './kit/pipeline-home.ts'
import { ROW_SCHEMA } from './kit/rows.ts'
import { slotTable, type SlotTable } from './kit/targets-on-sql.ts'
import { Broker, type Topic } from './kit/topic.ts'

const isFull = process.env['MILLRACE_FULL'] === '1'
const KILLS = isFull ? 30 : 3
/** Slots of a partition: every one is written again and again. */
const SLOTS = 37

suite('SQL sinks', { concurrency: 2 }, () => {
  for (const kind of ['mariadb', 'postgres'] as const) {
    test(`rows by key in ${kind} are the newest ones, wherever the job is killed`, async (t) =>
      await killedByKey(t, kind))
  }

  test('a sleeping instance that wakes up moves no row by key back', async () => await wokenTwin())
})

/** A job from a topic, whose rows replace each other, to a table by key. */
class SlotJob implements AsyncDisposable {
  readonly home: PipelineHome
  readonly topic: Topic
  readonly table: SlotTable
  readonly #stack: AsyncDisposableStack

  private constructor(home: PipelineHome, topic: Topic, table: SlotTable, stack: AsyncDisposableStack) {
    this.home = home
    this.topic = topic
    this.table = table
    this.#stack = stack
  }

  static async create(kind: 'mariadb' | 'postgres'): Promise<SlotJob> {
    await using stack = new AsyncDisposableStack()
    const broker = stack.use(await Broker.open())
    const home = stack.use(await PipelineHome.create())
    const topic = stack.use(await broker.createTopic(3))
    const table = stack.use(await slotTable(kind))
    await topic.append(500)
    home.write({
      sources: `rows: {connector: kafka, brokers: ['${broker.address}'], topics: [${topic.name}], schema: ${ROW_SCHEMA}}`,
      transforms: `slots: {from: rows, sql: 'SELECT part, seq % ${SLOTS} AS slot, seq, pad FROM rows'}`,
      sinks: `out: {from: slots, ${table.options}}`,
      delivery: 'convergent',
    })
    return new SlotJob(home, topic, table, stack.move())
  }

  async isCaughtUp(): Promise<boolean> {
    const { newest, confirmedUpTo } = await this.home.lineage()
    if (newest === undefined || newest.checkpoint > confirmedUpTo) return false
    return positionsOf(newest, this.topic.counts.length).every((position, part) => position === this.topic.counts[part])
  }

  /** Every slot has its newest row. */
  async auditEnd(): Promise<void> {
    const wanted = new Map<string, number>()
    this.topic.counts.forEach((rows, part) => {
      for (let seq = 0; seq < rows; seq++) wanted.set(`${part}/${seq % SLOTS}`, seq)
    })
    assert.deepEqual(await this.table.read(), wanted)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync()
  }
}

async function killedByKey(t: TestContext, kind: 'mariadb' | 'postgres'): Promise<void> {
  const chance = Chance.ofThisRun()
  t.diagnostic(`MILLRACE_SEED=${chance.seed}`)
  await using job = await SlotJob.create(kind)
  await settle(job)
  for (const cell of cellsByKey(chance)) {
    t.diagnostic(`${(await killAt(job, cell)) ? 'killed at' : 'not reached:'} ${cellText(cell)}`)
  }
  await settle(job)
}

/** Nothing is committed after publishing, so the steps of commits are no place to die at. */
function cellsByKey(chance: Chance): Cell[] {
  const cells = CELLS.filter((cell) => phaseOf(cell) === 'flow' && whyUnreachable(cell, 'hudi') === undefined)
  const plain = cells.filter(({ name }) => !/^(commit|stop|restore|gc)\b/.test(name))
  return chance.sample(plain, KILLS).map((cell) => ({ ...cell, nth: 1 + chance.below(hitsOf(cell)) }))
}

async function settle(job: SlotJob): Promise<void> {
  await using run = job.home.start()
  await caughtUp(job, run)
  run.signal('SIGTERM')
  await endedWell(run)
  await job.auditEnd()
}

/** Stopped in the middle of a page, woken when a successor has written the same slots many times. */
async function wokenTwin(): Promise<void> {
  await using job = await SlotJob.create('mariadb')
  await settle(job)
  const cell: Cell = { name: 'sink.flush', position: 'before', nth: 3 }
  await using sleeper = job.home.start(armed(cell, 'stop'))
  await job.topic.append(200)
  while (!job.home.trace().some((line) => line.startsWith(`${sleeper.pid} `)))
    await new Promise((resolve) => setTimeout(resolve, 20))
  await using successor = job.home.start()
  await job.topic.append(200)
  await caughtUp(job, successor)
  const { code } = await sleeper.wakeUp()
  assert.equal(code, 66, sleeper.out + sleeper.err)
  await job.topic.append(50)
  await successor.event(isConfirmed)
  successor.signal('SIGTERM')
  await endedWell(successor)
  await settle(job)
}
