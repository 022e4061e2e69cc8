import { setTimeout as pause } from 'node:timers/promises'
import { z } from 'zod'
import type { Item } from '../../core/batch.ts'
import type { SchemaChange, SourceTable } from '../../core/changes.ts'
import type { Connector } from '../../core/connector.ts'
import type { SplitAssignment, SplitReader } from '../../core/source.ts'
import { bytesBatch } from '../bytes-batch.ts'

/**
 * A model source of several tables: split `s` is a log of changes to the table `shop.s`, and every `changeEvery`th of
 * them adds a column. A row says in which shape it was written: `{"split":"s0","seq":7,"shape":2}`.
 */
const options = z.strictObject({
  splits: z.number(),
  rows: z.number(),
  changeEvery: z.number(),
  batch: z.number().default(10),
})
type Options = z.infer<typeof options>

export const connector: Connector = {
  name: 'changing',
  summary: 'Counts in several tables that change, for tests of the runtime',
  source: {
    options,
    describe: () => ({
      delivery: { class: 'atomic', reason: 'rows are computed', assumptions: [] },
      bounded: true,
      gives: ['bytes'],
      format: 'json',
      metadata: [],
      tables: true,
      findings: [],
    }),
    create: async (raw) => {
      const given = options.parse(raw)
      const splits = Array.from({ length: given.splits }, (_, at) => ({ split: `s${at}`, spec: {}, at: { seq: 0 } }))
      return {
        check: async () => [],
        enumerator: () => ({
          discoveryIntervalMs: undefined,
          verify: async () => undefined,
          discover: async (known) => splits.filter(({ split }) => !known.has(split)),
          // The last one is new while the source runs, and of those between nobody tells.
          tables: async () => splits.slice(0, 1).map(({ split }) => tableOf(split, 0)),
          lag: async () => new Map(),
          acknowledge: async () => undefined,
          close: async () => undefined,
        }),
        reader: () => changingReader(given),
      }
    },
  },
}

export function tableOf(split: string, shape: number): SourceTable {
  const names = ['seq', ...Array.from({ length: shape }, (_, at) => `c${at}`)]
  const columns = names.map((name) => ({ name, type: 'bigint', nullable: name !== 'seq' }))
  return { id: `shop.${split}`, database: 'shop', name: split, columns, key: ['seq'] }
}

/** Positions count rows and changes together: `{seq, changed}`, where `changed` says that the change at `seq` is behind. */
function changingReader(given: Options): SplitReader {
  let open: { split: string; seq: number; changed: boolean }[] = []
  const take = (splits: readonly SplitAssignment[]): typeof open =>
    splits.map(({ split, at }) => ({ split, seq: Number(at['seq']), changed: at['changed'] === true }))
  return {
    assign: (splits) => {
      open = take(splits)
    },
    add: (splits) => {
      open.push(...take(splits))
    },
    poll: async (signal): Promise<Item[]> => {
      await pause(open.length === 0 ? 5 : 1)
      const current = open.shift()
      if (current === undefined) return []
      if (signal.aborted) {
        open.unshift(current)
        return []
      }
      const items = nextItems(given, current)
      if (items.every(({ kind }) => kind !== 'split-end')) open.push(current)
      return items
    },
    close: async () => undefined,
  }
}

function nextItems(
  { rows, changeEvery, batch, splits }: Options,
  current: { readonly split: string; seq: number; changed: boolean },
): Item[] {
  const { split, seq } = current
  if (seq % changeEvery === 0 && !current.changed) {
    current.changed = true
    if (seq > 0) return [changeTo(split, seq, seq / changeEvery, 'add')]
    if (split === `s${splits - 1}`) return [changeTo(split, 0, 0, 'create')]
  }
  const shape = Math.floor(seq / changeEvery)
  const to = Math.min(rows, seq + batch, (shape + 1) * changeEvery)
  const lines = Array.from({ length: to - seq }, (_, at) => `{"split":"${split}","seq":${seq + at},"shape":${shape}}`)
  const made = bytesBatch(lines, { split, from: { seq, changed: true }, next: { seq: to } })
  Object.assign(current, { seq: to, changed: false })
  const end: Item[] = to === rows ? [{ kind: 'split-end', split, at: { seq: to } }] : []
  return [{ ...made, table: tableOf(split, shape) }, ...end]
}

function changeTo(split: string, seq: number, shape: number, kind: 'add' | 'create'): SchemaChange {
  const events: SchemaChange['events'] =
    kind === 'create' ? [{ kind: 'create' }] : [{ kind: 'add-columns', columns: [`c${shape - 1}`] }]
  return { kind: 'schema-change', split, next: { seq, changed: true }, table: tableOf(split, shape), events }
}
