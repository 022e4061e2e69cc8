import { mkdirSync, readdirSync, readFileSync, existsSync, linkSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import type { Connector } from '../../core/connector.ts'
import type { JsonObject } from '../../core/json.ts'
import type { Sink, SinkCoordinator, SinkWriter } from '../../core/sink.ts'
import { failpoint } from '../../core/failpoints.ts'

/**
 * A model of a sink with two phases: a directory stands for the server. `prepared/<label>` holds the rows of a prepared
 * transaction, `visible/<label>` those of a committed one. While a file `amnesia` is there the server does not know its
 * labels any more: every outcome is unknown.
 */
const options = z.strictObject({ directory: z.string() })

export const connector: Connector = {
  name: 'two-phase',
  summary: 'Two-phase commit in a directory, for tests of the runtime',
  sink: {
    options,
    describe: () => ({
      delivery: { class: 'atomic', reason: 'one rename a checkpoint and lane', assumptions: [] },
      takes: [{ kind: 'bytes', format: 'json', separator: 0x0a }],
      writers: 'lanes',
      findings: [],
    }),
    create: async (raw) => modelSink(options.parse(raw).directory),
  },
}

/** All rows that a reader of the model server sees. */
export function visibleRows(directory: string): { split: string; seq: number }[] {
  if (!existsSync(join(directory, 'visible'))) return []
  return readdirSync(join(directory, 'visible')).flatMap((label) =>
    readFileSync(join(directory, 'visible', label), 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as { split: string; seq: number }),
  )
}

function modelSink(directory: string): Sink {
  for (const name of ['prepared', 'visible']) mkdirSync(join(directory, name), { recursive: true })
  return {
    check: async () => [],
    writer: (context) => modelWriter(directory, context.lane),
    coordinator: () => modelCoordinator(directory),
  }
}

function modelWriter(directory: string, lane: number): SinkWriter {
  let label = ''
  let rows: string[] = []
  let count = 0
  const begin = (ticket: JsonObject): void => {
    label = `${String(ticket['label'])}-l${lane}`
    rows = []
    count = 0
  }
  return {
    begin: (_checkpoint, ticket) => begin(ticket),
    write: async (batch) => {
      if (batch.body.kind !== 'bytes') throw new Error('the model sink takes bytes')
      rows.push(batch.body.buffer.toString('utf8', 0, batch.body.length))
      count += batch.rows
      batch.release()
    },
    cut: async (next) => {
      const done = { label, text: rows.join(''), count }
      begin(next.ticket)
      if (done.count === 0) return { committables: [], counts: { rows: 0, bytes: 0 } }
      failpoint('sink.prepare', 'before')
      writeFileSync(join(directory, 'prepared', done.label), done.text)
      failpoint('sink.prepare', 'after')
      return {
        committables: [{ label: done.label, rows: done.count }],
        counts: { rows: done.count, bytes: done.text.length },
      }
    },
    rollback: async () => undefined,
    close: async () => undefined,
  }
}

function modelCoordinator(directory: string): SinkCoordinator {
  const prepared = (label: string): string => join(directory, 'prepared', label)
  const visible = (label: string): string => join(directory, 'visible', label)
  const hasForgotten = (): boolean => existsSync(join(directory, 'amnesia'))
  return {
    remembersCommits: true,
    begin: async (checkpoint, epoch) => ({ label: `e${epoch}-c${checkpoint}` }),
    combine: async (_checkpoint, parts) =>
      parts.map((part) => ({ orderKey: 'table', rows: Number(part['rows']), committable: part })),
    commit: async (_permit, committable) => {
      const label = String(committable['label'])
      if (hasForgotten()) return { outcome: 'unknown', reason: `${label} is not known` }
      if (existsSync(visible(label))) return { outcome: 'already-committed' }
      if (!existsSync(prepared(label))) return { outcome: 'lost', reason: `${label} is not prepared`, expired: false }
      linkSync(prepared(label), visible(label))
      failpoint('commit', 'sent')
      rmSync(prepared(label))
      return { outcome: 'committed' }
    },
    evidence: async (committables) =>
      committables.map((committable) => {
        const label = String(committable['label'])
        if (hasForgotten()) return { state: 'unknown', reason: `${label} is not known` }
        if (existsSync(visible(label))) return { state: 'committed' }
        if (existsSync(prepared(label))) return { state: 'committable' }
        return { state: 'lost', reason: `${label} is gone`, expired: false }
      }),
    abort: async (committable) => {
      const label = String(committable['label'])
      if (hasForgotten()) return 'unknown'
      if (existsSync(visible(label))) return 'committed'
      rmSync(prepared(label), { force: true })
      return 'aborted'
    },
    sweep: async (scope) => {
      const kept = new Set(scope.keep.map((committable) => String(committable['label'])))
      const mine = readdirSync(join(directory, 'prepared')).filter((label) => {
        const found = /^e(\d+)-/.exec(label)
        return found !== null && Number(found[1]) < scope.below && !kept.has(label)
      })
      for (const label of mine) rmSync(prepared(label))
      return { aborted: mine, found: mine.length }
    },
    findTraces: async (own, known) => [
      ...readdirSync(join(directory, 'visible')).filter((label) => Number(/-c(\d+)-/.exec(label)?.[1]) > known),
      ...readdirSync(join(directory, 'prepared')).filter((label) => Number(/^e(\d+)-/.exec(label)?.[1]) >= own),
    ],
    fingerprint: async () => ({ directory }),
    close: async () => undefined,
  }
}
