import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import type { Connector } from '../../core/connector.ts'
import type { SchemaChange } from '../../core/changes.ts'
import { MillraceError } from '../../core/errors.ts'
import type { Sink, SinkCoordinator, SinkWriter } from '../../core/sink.ts'
import { connector as twoPhase, visibleRows } from './two-phase-sink.ts'

/**
 * The model sink for several tables: the file `shapes` stands for the server's catalog, a line for each change. It looks
 * after the promises of the engine: a table is there before its rows, with the shape that they have; before a change
 * every row of the older shape is visible.
 */
const options = z.strictObject({
  directory: z.string(),
  /** Follows this change (counted over all tables), and the connection breaks before anybody hears of it. */
  breaksAt: z.number().default(-1),
})

export const connector: Connector = {
  name: 'tables',
  summary: 'Two-phase commit of several tables in a directory, for tests of the runtime',
  sink: {
    options,
    describe: () => ({
      delivery: { class: 'exact', reason: 'one rename a checkpoint and lane', assumptions: [] },
      takes: [{ kind: 'bytes', format: 'json', separator: 0x0a }],
      writers: 'lanes',
      tables: true,
      findings: [],
    }),
    create: async (raw) => {
      const { directory, breaksAt } = options.parse(raw)
      const inner = await twoPhase.sink?.create({ directory })
      if (inner === undefined) throw new Error('the model is a sink')
      return tablesSink(inner, join(directory, 'shapes'), directory, breaksAt)
    },
  },
}

/** Shapes that the server's tables have: the number of columns that were added to each. */
export function shapesOf(directory: string): Map<string, number> {
  const file = join(directory, 'shapes')
  const lines = existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : []
  return new Map(
    lines
      .filter((line) => line !== '')
      .map((line) => line.split(' ') as [string, string])
      .map(([id, n]) => [id, Number(n)]),
  )
}

function tablesSink(inner: Sink, file: string, directory: string, breaksAt: number): Sink {
  return {
    check: async () => [],
    writer: (context) => checkedWriter(inner.writer(context), directory),
    coordinator: (context) => tablesCoordinator(inner.coordinator(context), file, directory, breaksAt),
  }
}

function checkedWriter(inner: SinkWriter, directory: string): SinkWriter {
  return {
    begin: (checkpoint, ticket) => inner.begin(checkpoint, ticket),
    write: async (batch) => {
      const { table } = batch
      const shape = table === undefined ? undefined : shapesOf(directory).get(table.id)
      if (table === undefined || shape !== table.columns.length - 1)
        throw new MillraceError(`rows of ${table?.id}, whose shape is ${shape}`, { code: 'INTERNAL' })
      await inner.write(batch)
    },
    cut: (next) => inner.cut(next),
    rollback: () => inner.rollback(),
    close: () => inner.close(),
  }
}

function tablesCoordinator(inner: SinkCoordinator, file: string, directory: string, breaksAt: number): SinkCoordinator {
  const add = (id: string, shape: number): void => appendFileSync(file, `${id} ${shape}\n`)
  return {
    ...inner,
    openTable: async ({ id }) => {
      if (!shapesOf(directory).has(id)) add(id, 0)
    },
    applySchema: async (permit, change) => {
      const { id, columns } = change.table
      const shape = columns.length - 1
      const isThere = (shapesOf(directory).get(id) ?? 0) >= shape
      assertAllVisible(change, directory, permit.checkpoint)
      if (isThere) return 'already'
      add(id, shape)
      const changes = readFileSync(file, 'utf8').trim().split('\n').length
      if (changes === breaksAt)
        throw new MillraceError('the connection broke', { code: 'UNAVAILABLE', retry: 'restart' })
      return 'applied'
    },
  }
}

function assertAllVisible({ split, next }: SchemaChange, directory: string, checkpoint: number): void {
  const visible = visibleRows(directory).filter((row) => row.split === split).length
  if (visible === next['seq']) return
  const told = `checkpoint ${checkpoint}: ${visible} rows of ${split} are visible before a change behind ${String(next['seq'])}`
  throw new MillraceError(told, { code: 'INTERNAL' })
}
