/**
 * Positions inside of transactions: a log of random transactions over two tables is read in spans of random lengths, is
 * killed between any two batches, and goes on from the stored position. Each row has to come once, in its table's order.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { RowLines } from '../../clients/mysql-replication/index.ts'
import { LogSpan } from './log-span.ts'
import type { LogTable } from './log-tables.ts'
import { logPosition, type LogPosition } from './split.ts'

const TABLES = ['a', 'b'].map((name): LogTable => ({
  shape: { id: `d.${name}`, database: 'd', name, columns: [], key: [] },
  digest: name,
  lines: new RowLines([], { separator: 0x0a, zeroDates: 'fail', table: name }),
}))

type Transaction = readonly number[]

function at(commits: number): Omit<LogPosition, 'skip'> {
  return {
    place: { flavour: 'mysql', gtid: undefined, file: 'f.1', position: commits, server: 's' },
    shapes: {},
    time: 0,
  }
}

/** Reads from a position; `cuts` says after which row a span ends, `kill` after how many batches reading ends. */
function read(log: readonly Transaction[], from: LogPosition, cuts: ReadonlySet<number>, kill: number) {
  const span = new LogSpan(from, { split: 'log', separator: 0x0a, hasTables: true })
  const out: string[] = []
  let position = from
  let left = kill
  const take = (commits: number): void => {
    // A place that moves without rows is told otherwise.
    if (span.bytes === 0) return
    for (const batch of span.cut(at(commits))) {
      if (left-- <= 0) return
      assert.deepEqual(logPosition(batch.from), position, 'positions follow each other')
      const { body } = batch
      assert.ok(body.kind === 'bytes')
      out.push(...body.buffer.toString('utf8', 0, body.length).split('\n').slice(0, -1))
      position = logPosition(batch.next)
      batch.release()
    }
  }
  let row = log.slice(0, from.place.position).flat().length
  for (let commits = from.place.position; commits < log.length; commits++) {
    for (const which of log[commits] ?? []) {
      const table = TABLES[which]
      assert.ok(table !== undefined)
      const lines = span.linesFor(table)
      if (lines !== undefined) {
        const text = `${table.shape.name}${row}\n`
        lines.length += lines.bytes.write(text, lines.length)
        lines.rows++
        span.counted(text.length)
      }
      if (cuts.has(row++)) take(commits)
    }
    span.commit()
    if (cuts.has(-commits)) take(commits + 1)
  }
  take(log.length)
  return { out, position }
}

test('wherever a span ends and whatever is killed, each row comes once', () => {
  const transaction = fc.array(fc.constantFrom(0, 1), { minLength: 1, maxLength: 8 })
  fc.assert(
    fc.property(
      fc.array(transaction, { maxLength: 8 }),
      fc.array(fc.integer({ min: -8, max: 60 }), { maxLength: 12 }),
      fc.array(fc.nat({ max: 5 }), { maxLength: 8 }),
      (log, cuts, kills) => {
        const out: string[] = []
        let position: LogPosition = { ...at(0), skip: {} }
        for (const kill of [...kills, Number.POSITIVE_INFINITY]) {
          const done = read(log, position, new Set(cuts), kill)
          out.push(...done.out)
          position = logPosition(JSON.parse(JSON.stringify(done.position)))
        }
        const rows = log.flat().map((which, row) => `${TABLES[which]?.shape.name}${row}`)
        for (const { shape } of TABLES) {
          const own = (text: string): boolean => text.startsWith(shape.name)
          assert.deepEqual(out.filter(own), rows.filter(own))
        }
      },
    ),
    { numRuns: 500 },
  )
})
