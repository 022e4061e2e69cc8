/** Tables that are read slice by slice while others write into them, by jobs that are killed. */
import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import { suite, test, type TestContext } from 'node:test'
import { startDatabase, useDatabase, type DatabaseName } from '../../scripts/services/databases.ts'
import { makeDatabase, type SliceDatabase } from '../../src/testkit/slice-tables.ts'
import { armed, CELLS, cellText, hitsOf, phaseOf, whyUnreachable, type Cell, type SinkKind } from './kit/cells.ts'
import { Chance } from './kit/chance.ts'
import { endedWell } from './kit/kills.ts'
import { assertBalanced, PipelineHome } from './kit/pipeline-home.ts'
import { rowText } from './kit/rows.ts'
import { filesTarget, startWarehouse, type Target } from './kit/targets.ts'
import { VisibleRows } from './kit/visible-rows.ts'

const isFull = process.env['MILLRACE_FULL'] === '1'
const KILLS = isFull ? 40 : 3
/** Writers, each of which owns a part. */
const PARTS = 4
/** Rows that are there before the first start: they are read in ranges. */
const BEFORE = 4000
/** What the writers do while the last start runs. */
const TURNS = 100
const PAUSE_MS = 20

suite('slices', { concurrency: 2 }, () => {
  test('what writers commit in Postgres arrives in files once, wherever the job is killed', async (t) =>
    await killedWhileOthersWrite(t, 'postgres', 'files'))

  test('what writers commit in MariaDB arrives in starrocks once, wherever the job is killed', async (t) =>
    await killedWhileOthersWrite(t, 'mariadb', 'starrocks'))

  test('a server that dies and comes back costs nothing', async () => {
    const kind = 'postgres'
    await using server = await startDatabase(kind)
    await using tables = await makeDatabase(server.url)
    await using home = await PipelineHome.create()
    await using target = filesTarget(home.directory)
    await fillTable(tables, kind)
    writePipeline(home, target, kind, tables)
    const counts = Array.from({ length: PARTS }, () => BEFORE / PARTS)
    await using run = home.start()
    for (const turn of [1, 2]) {
      await run.event(({ event, read }) => event === 'published' && Number(read) > 0)
      await server.kill()
      await server.restart()
      await tables.run(insertSql(0, counts[0] ?? 0, (counts[0] ?? 0) + 100 * turn))
      counts[0] = (counts[0] ?? 0) + 100 * turn
      await caughtUp(target, counts)
    }
    run.signal('SIGTERM')
    await endedWell(run)
    assert.deepEqual(await visible(target, counts), counts)
  })

  if (isFull) {
    test('what writers commit in Postgres arrives in starrocks once, wherever the job is killed', async (t) =>
      await killedWhileOthersWrite(t, 'postgres', 'starrocks'))
  }
})

async function killedWhileOthersWrite(
  t: TestContext,
  kind: DatabaseName,
  sink: SinkKind & ('starrocks' | 'files'),
): Promise<void> {
  const chance = Chance.ofThisRun()
  t.diagnostic(`MILLRACE_SEED=${chance.seed}`)
  await using server = await useDatabase(kind)
  await using tables = await makeDatabase(server.url)
  await using home = await PipelineHome.create()
  await using target = sink === 'files' ? filesTarget(home.directory) : await startWarehouse(sink)
  await fillTable(tables, kind)
  writePipeline(home, target, kind, tables)
  const writers = new Writers(tables, chance)
  const [first, ...others] = cellsOf(sink, chance)
  assert.ok(first !== undefined)
  // The first one dies in the ranges of the beginning, the others while the job follows the table.
  await killAt(t, home, target, writers, first)
  await using calm = home.start()
  await writers.end()
  await caughtUp(target, writers.counts)
  calm.signal('SIGTERM')
  await endedWell(calm)
  for (const cell of others) await killAt(t, home, target, writers, cell)
  await using run = home.start()
  await run.event(({ event }) => event === 'started')
  for (let turn = 0; turn < TURNS; turn++) {
    await writers.goOn()
    await pause(PAUSE_MS)
  }
  await writers.end()
  await caughtUp(target, writers.counts)
  run.signal('SIGTERM')
  await endedWell(run)
  assert.deepEqual(await visible(target, writers.counts), writers.counts)
  assert.deepEqual(await target.residue(), [])
  assertBalanced(await home.entries())
}

async function killAt(t: TestContext, home: PipelineHome, target: Target, writers: Writers, cell: Cell): Promise<void> {
  await using run = home.start(armed(cell, 'kill'))
  const ended = run.ended()
  // Whoever commits late spans whole checkpoints of the job.
  while (!(await isOver(ended))) await writers.goOn()
  const { code, signal } = await ended
  assert.equal(signal, 'SIGKILL', `${cellText(cell)}: it ended with ${code}:\n${run.out}${run.err}`)
  t.diagnostic(`killed at ${cellText(cell)}; readers see ${(await visible(target, writers.counts)).join(' + ')}`)
}

function cellsOf(sink: SinkKind, chance: Chance): Cell[] {
  const cells = CELLS.filter((cell) => phaseOf(cell) === 'flow' && whyUnreachable(cell, sink) === undefined)
  // Steps that need a stop, a rollback, or a commit that goes wrong belong to other campaigns.
  const plain = cells.filter(({ name }) => !/^(stop|savepoint|evidence|decision|restore|gc)\b/.test(name))
  return chance.sample(plain, KILLS).map((cell) => ({ ...cell, nth: 1 + chance.below(hitsOf(cell)) }))
}

async function fillTable(tables: SliceDatabase, kind: DatabaseName): Promise<void> {
  const serial = kind === 'postgres' ? 'bigserial' : 'bigint AUTO_INCREMENT'
  await tables.run(
    `CREATE TABLE t (id ${serial} PRIMARY KEY, part bigint NOT NULL, seq bigint NOT NULL, pad varchar(200) NOT NULL)`,
  )
  for (let part = 0; part < PARTS; part++) await tables.run(insertSql(part, 0, BEFORE / PARTS))
  await tables.run(kind === 'postgres' ? 'ANALYZE t' : 'ANALYZE TABLE t')
}

function insertSql(part: number, from: number, to: number): string {
  const rows = Array.from({ length: to - from }, (_, at) => {
    const { pad } = JSON.parse(rowText(part, from + at)) as { readonly pad: string }
    return `(${part}, ${from + at}, '${pad}')`
  })
  return `INSERT INTO t (part, seq, pad) VALUES ${rows.join(', ')}`
}

function writePipeline(home: PipelineHome, target: Target, kind: DatabaseName, { address }: SliceDatabase): void {
  const { url, username, password } = address as Readonly<Record<string, string>>
  const connector = kind === 'postgres' ? 'postgres' : 'mysql'
  const source =
    `connector: ${connector}, url: '${url}', username: ${username}, password: ${password}, table: t, column: id, ` +
    'columns: [part, seq, pad], interval: 50ms, pageRows: 1000, initialSlices: 5, auditAfter: 500ms'
  home.write({ sources: `rows: {${source}}`, sinks: `out: {from: rows, ${target.options}}`, parallelism: 3 })
}

/** Several transactions at a time, which commit in any order, some of them late and some never. */
class Writers {
  readonly counts: number[] = Array.from({ length: PARTS }, () => BEFORE / PARTS)
  readonly #tables: SliceDatabase
  readonly #chance: Chance
  readonly #open = new Map<
    number,
    { readonly session: Awaited<ReturnType<SliceDatabase['session']>>; readonly rows: number }
  >()

  constructor(tables: SliceDatabase, chance: Chance) {
    this.#tables = tables
    this.#chance = chance
  }

  /** One writer begins a transaction and writes, or ends the one that it has. */
  async goOn(): Promise<void> {
    const part = this.#chance.below(PARTS)
    if (this.#open.has(part)) return await this.#close(part, this.#chance.below(4) > 0)
    const session = await this.#tables.session()
    const from = this.counts[part] ?? 0
    const rows = 1 + this.#chance.below(40)
    await session.run('BEGIN')
    await session.run(insertSql(part, from, from + rows))
    this.#open.set(part, { session, rows })
  }

  /** Everything that is open is committed. */
  async end(): Promise<void> {
    for (const part of this.#open.keys()) await this.#close(part, true)
  }

  async #close(part: number, isCommitted: boolean): Promise<void> {
    const open = this.#open.get(part)
    this.#open.delete(part)
    await open?.session.run(isCommitted ? 'COMMIT' : 'ROLLBACK')
    await open?.session[Symbol.asyncDispose]()
    if (isCommitted) this.counts[part] = (this.counts[part] ?? 0) + (open?.rows ?? 0)
  }
}

async function isOver(ended: Promise<unknown>): Promise<boolean> {
  return await Promise.race([ended.then(() => true), pause(20).then(() => false)])
}

async function visible(target: Target, counts: readonly number[]): Promise<number[]> {
  const rows = new VisibleRows(counts)
  await target.read(rows)
  return rows.counts()
}

async function caughtUp(target: Target, counts: readonly number[]): Promise<void> {
  const wanted = counts.join()
  const signal = AbortSignal.timeout(180_000)
  for (let seen = ''; seen !== wanted; seen = (await visible(target, counts)).join()) {
    assert.ok(!signal.aborted, `readers see ${seen} and not ${wanted}`)
    await pause(50)
  }
}
