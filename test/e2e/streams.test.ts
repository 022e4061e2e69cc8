/** Streams that come together and rows that are taken apart, in jobs that are killed. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { armed, CELLS, cellText } from './kit/cells.ts'
import { Chance } from './kit/chance.ts'
import { endedWell } from './kit/kills.ts'
import { assertBalanced, PipelineHome } from './kit/pipeline-home.ts'

const ROWS = 3000
/** A row of the second file whose list is none. */
const BAD = 1501
const KILLS = process.env['MILLRACE_FULL'] === '1' ? 30 : 2
/** Steps that this job comes by: nothing leaves over a network, and nobody stops it. */
const DEATHS = CELLS.filter(
  ({ name, position }) =>
    position !== 'sent' && /^(chk|sink|store|commit$|confirm)\b/.test(name) && name !== 'commit.nth',
)

test('a union of two files, its lists taken apart: every element is there once after a kill, and what is no list is put aside', async () => {
  await using home = await PipelineHome.create()
  write(home, 'old', ROWS, (id) => ({ id, tags: [`a${id}`, `b${id}`] }))
  write(home, 'new', ROWS, (id) => ({ extra: 1, tags: newTags(id), id: ROWS + id }))
  home.write({
    sources:
      'old: {connector: file, path: ./old, format: json, schema: {id: bigint, tags: json}}, ' +
      'new: {connector: file, path: ./new, format: json, schema: {extra: bigint, tags: json, id: bigint}}',
    transforms:
      "every: {from: [old, new], union: {missing: 'null'}}, " +
      'tags: {from: every, explode: {column: tags, as: varchar, position: n}, deadLetter: {to: bad}}',
    sinks:
      'out: {from: tags, connector: files, path: ./out, format: ndjson}, ' +
      'bad: {connector: files, path: ./bad, format: ndjson}',
  })
  {
    await using killed = home.start('commit:before@1=kill')
    assert.equal((await killed.ended()).signal, 'SIGKILL')
  }
  await using run = home.start()
  await endedWell(run)
  const ids = Array.from({ length: ROWS }, (_, id) => id)
  const expected = ids.flatMap((id) => [
    `${id} 0 a${id} none`,
    `${id} 1 b${id} none`,
    ...(id % 3 === 0 || id === BAD ? [] : [`${ROWS + id} 0 c${id} 1`]),
  ])
  const found = linesOf(home, 'out').map(({ id, n, tags, extra }) => `${id} ${n} ${tags} ${extra ?? 'none'}`)
  assert.deepEqual(found.sort(), expected.sort())
  assert.deepEqual(
    linesOf(home, 'bad').map(({ source, step }) => `${source} ${step}`),
    ['new tags'],
  )
  assertBalanced(await home.entries())
})

function newTags(id: number): unknown {
  if (id === BAD) return 'no list'
  return id % 3 === 0 ? [] : [`c${id}`]
}

/** Orders come a little out of order, payments up to half an hour behind them, and some of both very late. */
const ORDER_AT = (id: number): number => id * 2 - ((id * 7919) % 45) - (id % 250 === 249 ? 9000 : 0)
const PAID_AT = (id: number): number => id * 2 + ((id * 104_729) % 2000) - 100 - (id % 400 === 399 ? 9000 : 0)
const [BEFORE, AFTER] = [60, 1800]
const ORDERS = 12_000
/** Large rows, so that they are read in several batches, with barriers between them. */
const NOTE = 'x'.repeat(1000)

test('orders find their payments as in one join of all, wherever the job is killed; others stay alone or are late', async (t) => {
  const chance = Chance.ofThisRun()
  t.diagnostic(`MILLRACE_SEED=${chance.seed}`)
  await using home = await PipelineHome.create()
  write(home, 'orders', ORDERS, (id) => ({ id, at: textOf(ORDER_AT(id)), NOTE }))
  write(home, 'payments', ORDERS, (pay) => ({ pay, order_id: orderOf(pay), paid: textOf(PAID_AT(orderOf(pay))), NOTE }))
  // Otherwise everything is read before the second checkpoint.
  const slow = `export default (row) => (row.id ?? row.pay) % 400n === 0n ? new Promise((go) => setTimeout(() => go(row), 25)) : row\n`
  writeFileSync(path.join(home.directory, 'slow.ts'), slow)
  const rests = ['unmatched.left', 'unmatched.right', 'late.left', 'late.right']
  const writePipeline = (parallelism: number): void =>
    home.write({
      parallelism,
      sources:
        'read: {connector: file, path: ./orders, format: json, schema: {id: bigint, at: timestamp(0)}}, ' +
        'taken: {connector: file, path: ./payments, format: json, schema: {pay: bigint, order_id: bigint, paid: timestamp(0)}}',
      transforms:
        'orders: {from: read, module: ./slow.ts}, payments: {from: taken, module: ./slow.ts}, ' +
        `pairs: {from: orders, join: {with: payments, on: {id: order_id}, within: {before: ${BEFORE}s, after: ${AFTER}s}, ` +
        'watermark: {column: at, withColumn: paid}, columns: [pay, paid]}}',
      sinks: ['', ...rests.map((rest) => `.${rest}`)]
        .map(
          (rest) =>
            `out${rest.replace('.', '-').replace('.', '-')}: {from: pairs${rest}, connector: files, path: ./out${rest}, format: ndjson}`,
        )
        .join(', '),
    })
  const played: string[] = []
  for (let kill = 0; kill < KILLS; kill++) {
    const [found] = chance.sample(DEATHS, 1)
    assert.ok(found !== undefined)
    const cell = { ...found, nth: 1 + chance.below(3) }
    writePipeline(1 + chance.below(3))
    await using run = home.start(armed(cell, 'kill'))
    const { signal, code } = await run.ended()
    played.push(`${cellText(cell)} ${signal ?? code}`)
    // A fast machine is through before the last ones.
    if (signal === 'SIGKILL') continue
    assert.equal(code, 0, run.out + run.err)
    break
  }
  t.diagnostic(played.join(', '))
  writePipeline(2)
  await using run = home.start()
  await endedWell(run)

  const [aloneLeft, aloneRight, lateLeft, lateRight] = rests.map((rest) => linesOf(home, `out.${rest}`))
  const lateOrders = new Set(lateLeft?.map(({ id }) => Number(id)))
  const latePayments = new Set(lateRight?.map(({ pay }) => Number(pay)))
  const ids = Array.from({ length: ORDERS }, (_, id) => id)
  // Which rows are late is a matter of speed; all others are paired as if they had been there at once.
  const pairs = ids
    .filter((pay) => !latePayments.has(pay))
    .flatMap((pay) => {
      const id = orderOf(pay)
      const apart = PAID_AT(id) - ORDER_AT(id)
      return id < ORDERS && !lateOrders.has(id) && apart >= -BEFORE && apart <= AFTER ? [{ id, pay }] : []
    })
  assert.ok(pairs.length > 0)
  const sorted = (values: readonly unknown[] = []): number[] => values.map(Number).sort((a, b) => a - b)
  const found = linesOf(home, 'out').map(({ id, pay }) => `${id} ${pay}`)
  assert.deepEqual(found.sort(), pairs.map(({ id, pay }) => `${id} ${pay}`).sort())
  const paired = new Set(pairs.map(({ id }) => id))
  const used = new Set(pairs.map(({ pay }) => pay))
  const leftAlone = ids.filter((id) => !paired.has(id) && !lateOrders.has(id))
  const rightAlone = ids.filter((pay) => !used.has(pay) && !latePayments.has(pay))
  assert.deepEqual(sorted(aloneLeft?.map(({ id }) => id)), leftAlone)
  assert.deepEqual(sorted(aloneRight?.map(({ pay }) => pay)), rightAlone)
  assert.equal(lateOrders.size, lateLeft?.length)
  assert.equal(latePayments.size, lateRight?.length)
  t.diagnostic(
    `${pairs.length} pairs, ${leftAlone.length} + ${rightAlone.length} alone, ${lateOrders.size} + ${latePayments.size} late`,
  )
  assertBalanced(await home.entries())
})

/** Payments come in about the order of their orders; some belong to none, some orders have none or two. */
function orderOf(pay: number): number {
  return pay % 97 === 96 ? ORDERS + pay : pay - (pay % 50) + ((pay * 7) % 43)
}

function textOf(second: number): string {
  return new Date((1_700_000_000 + second) * 1000).toISOString().slice(0, 19)
}

function write(home: PipelineHome, name: string, rows: number, row: (id: number) => object): void {
  mkdirSync(path.join(home.directory, name))
  const lines = Array.from({ length: rows }, (_, id) => `${JSON.stringify(row(id))}\n`)
  writeFileSync(path.join(home.directory, name, '0.ndjson'), lines.join(''))
}

function linesOf({ directory }: PipelineHome, name: string): Record<string, unknown>[] {
  const folder = path.join(directory, name)
  const files = existsSync(folder) ? readdirSync(folder, { recursive: true, encoding: 'utf8' }) : []
  return files
    .filter((file) => /^[^._].*\.ndjson$/.test(file))
    .flatMap((file) => readFileSync(path.join(folder, file), 'utf8').split('\n'))
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
}
