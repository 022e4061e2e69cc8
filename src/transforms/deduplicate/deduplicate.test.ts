import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import type { Batch } from '../../core/batch.ts'
import { openLaneDatabase, type DeduplicateWork, type EventTimeWork } from '../../dataplane/index.ts'
import type { LaneOperator, OperatorOutput } from '../operator.ts'
import { createDeduplicateOperator } from './deduplicate.ts'
import { createIntakeOperator } from './intake.ts'

const database = await openLaneDatabase({ memoryLimitBytes: 64 * 1024 * 1024 })
after(() => database.close())

const INPUT = [
  { name: 'k', type: 'varchar', nullable: true },
  { name: 'n', type: 'integer', nullable: false },
  { name: 'ts', type: 'timestamp(6)', nullable: true },
]
const HOUR = 3_600_000_000
const TIME: EventTimeWork = { column: 'ts', delay: 0 }

let now = 0
let seen: bigint | undefined
const context = {
  baseDirectory: '',
  database: async () => database,
  now: () => now,
  sawEventTime: (_step: string, micros: bigint) => (seen = micros),
}
let tables = 0

async function batchOf(
  rows: readonly (readonly [k: string | null, n: number, micros: number | null])[],
): Promise<Batch> {
  const relation = `input ${tables++}`
  const values = rows.map(([k, n, micros]) => {
    return `(${k === null ? 'NULL' : `'${k}'`}, ${n}, ${micros === null ? 'NULL' : `make_timestamp(${micros})`})`
  })
  const select = `SELECT k::VARCHAR AS k, n::INTEGER AS n, ts::TIMESTAMP AS ts FROM (VALUES ${values.join(', ')}) t(k, n, ts)`
  await database.run(`CREATE TEMP TABLE "${relation}" AS ${select}`)
  const body = { kind: 'table', relation, schema: INPUT } as const
  return { kind: 'batch', split: '', from: {}, next: {}, rows: rows.length, bytes: 10, body, release: () => undefined }
}

/** Values of `n` by output, in order. */
function collector(): OperatorOutput & { readonly found: number[][] } {
  const found: number[][] = [[], []]
  return {
    found,
    emit: async (output, batch) => {
      assert.ok(batch.body.kind === 'table')
      const rows = await database.run(`SELECT n FROM "${batch.body.relation}"`)
      found[output]?.push(...rows.map(([n]) => Number(n)))
      batch.release()
    },
  }
}

async function opened(id: string, time?: EventTimeWork): Promise<{ operator: LaneOperator; work: DeduplicateWork }> {
  const work = { id, input: INPUT, key: ['k'], ttl: HOUR, definition: 'd', ...(time && { time }) }
  const operator = createDeduplicateOperator(work, context)
  await operator.open()
  return { operator, work }
}

const barrier = (eventTime?: number): Parameters<NonNullable<LaneOperator['cut']>>[0] => ({
  checkpoint: 1,
  isEnd: false,
  eventTime: eventTime === undefined ? undefined : BigInt(eventTime),
})

test('the first row of each key goes on, NULL being a key, also over barriers and a restart', async () => {
  const { operator } = await opened('plain')
  const out = collector()
  await operator.process(
    await batchOf([
      ['a', 1, 0],
      ['b', 2, 0],
      ['a', 3, 0],
      [null, 4, 0],
    ]),
    out,
  )
  await operator.process(
    await batchOf([
      [null, 5, 0],
      ['c', 6, 0],
    ]),
    out,
  )
  await operator.cut?.(barrier(), out)
  assert.deepEqual(out.found[0], [1, 2, 4, 6])
  const saved = await operator.state?.save(false)
  assert.equal(saved?.rows, 4)
  await operator.process(
    await batchOf([
      ['b', 7, 0],
      ['d', 8, 0],
    ]),
    out,
  )
  await operator.cut?.(barrier(), out)
  assert.deepEqual(out.found[0]?.slice(4), [8])

  const again = (await opened('again')).operator
  await again.state?.load(saved?.bytes ?? Buffer.alloc(0), undefined)
  await again.begin?.(undefined)
  const later = collector()
  await again.process(
    await batchOf([
      ['b', 9, 0],
      ['d', 10, 0],
    ]),
    later,
  )
  await again.cut?.(barrier(), later)
  assert.deepEqual(later.found[0], [10], 'what was not saved has not happened')
})

test('by the time of this machine a key is forgotten at a barrier after its time', async () => {
  now = 0
  const { operator } = await opened('machine')
  const out = collector()
  await operator.process(await batchOf([['a', 1, 0]]), out)
  await operator.cut?.(barrier(), out)
  now = HOUR / 1000 - 1
  await operator.cut?.(barrier(), out)
  await operator.process(await batchOf([['a', 2, 0]]), out)
  now += 1
  await operator.cut?.(barrier(), out)
  await operator.process(await batchOf([['a', 3, 0]]), out)
  await operator.cut?.(barrier(), out)
  assert.deepEqual(out.found[0], [1, 3])
})

test('by event time a row that comes again with its moment never passes: its key is known, or the row is late', async () => {
  const { operator, work } = await opened('event', TIME)
  const intake = createIntakeOperator({ ...work, time: TIME }, context)
  await intake.open()
  const out = collector()
  const late = collector()
  const send = async (...rows: Parameters<typeof batchOf>[0]): Promise<void> => {
    const into: OperatorOutput = {
      emit: (output, batch) => (output === 0 ? operator.process(batch, out) : late.emit(output, batch)),
    }
    await intake.process(await batchOf(rows), into)
  }
  const cut = async (eventTime: number): Promise<void> => {
    await intake.cut?.(barrier(eventTime), out)
    await operator.cut?.(barrier(eventTime), out)
  }
  await send(['a', 1, 1000], ['x', 2, null])
  assert.equal(seen, 1000n)
  assert.deepEqual(late.found[1], [2], 'a row without a moment')
  await cut(HOUR + 999)
  await send(['a', 3, 1000])
  await cut(HOUR + 1000)
  await send(['a', 4, 1000], ['a', 5, HOUR + 2000])
  await cut(HOUR + 1000)
  assert.deepEqual(out.found[0], [1, 5])
  assert.deepEqual(late.found[1], [2, 4])
})
