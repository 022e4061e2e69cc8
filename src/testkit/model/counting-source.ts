import { z } from 'zod'
import type { Connector } from '../../core/connector.ts'
import type { Batch, Item } from '../../core/batch.ts'
import type { SplitAssignment } from '../../core/source.ts'

/** A model source: split `s` holds the rows `{"split":s,"seq":0}` … up to `rows`, in batches of `batch`. */
const options = z.strictObject({
  splits: z.number(),
  rows: z.number(),
  batch: z.number().default(100),
  /** Pause after each batch, so that a run lasts over several checkpoints. */
  pauseMs: z.number().default(0),
  /** Throws a restart error once, after this many batches of the first attempt. */
  failAfter: z.number().default(0),
})
type Options = z.infer<typeof options>

export const connector: Connector = {
  name: 'counting',
  summary: 'Counts, for tests of the runtime',
  source: {
    options,
    describe: () => ({
      delivery: { class: 'atomic', reason: 'rows are computed', assumptions: [] },
      bounded: true,
      gives: ['bytes'],
      format: 'json',
      metadata: [],
      findings: [],
    }),
    create: async (raw) => {
      const given = options.parse(raw)
      return {
        check: async () => [],
        enumerator: () => ({
          discoveryIntervalMs: undefined,
          verify: async () => undefined,
          discover: async (known) => allSplits(given).filter((split) => !known.has(split.split)),
          lag: async (positions) =>
            new Map(positions.map(({ split, next }) => [split, given.rows - Number(next['seq'])])),
          acknowledge: async () => undefined,
          close: async () => undefined,
        }),
        reader: () => countingReader(given),
      }
    },
  },
}

function allSplits({ splits }: Options): SplitAssignment[] {
  return Array.from({ length: splits }, (_, index) => ({ split: `s${index}`, spec: {}, at: { seq: 0 } }))
}

function countingReader({
  rows,
  batch,
  pauseMs,
  failAfter,
}: Options): ReturnType<Awaited<ReturnType<NonNullable<Connector['source']>['create']>>['reader']> {
  let open: { split: string; seq: number }[] = []
  let turns = 0
  const take = (splits: readonly SplitAssignment[]): { split: string; seq: number }[] =>
    splits.map(({ split, at }) => ({ split, seq: Number(at['seq']) }))
  return {
    assign: (splits) => {
      open = take(splits)
    },
    add: (splits) => {
      open.push(...take(splits))
    },
    poll: async (signal): Promise<Item[]> => {
      await new Promise((resolve) => setTimeout(resolve, open.length === 0 ? 5 : pauseMs))
      const current = open.shift()
      if (current === undefined || signal.aborted) {
        if (current !== undefined) open.unshift(current)
        return []
      }
      turns += 1
      if (turns === failAfter) throw new Error('the model source fails once')
      const to = Math.min(rows, current.seq + batch)
      const items: Item[] = to > current.seq ? [rowsOf(current.split, current.seq, to)] : []
      if (to === rows) items.push({ kind: 'split-end', split: current.split, at: { seq: to } })
      else open.push({ split: current.split, seq: to })
      return items
    },
    close: async () => undefined,
  }
}

function rowsOf(split: string, from: number, to: number): Batch {
  let text = ''
  for (let seq = from; seq < to; seq++) text += `{"split":"${split}","seq":${seq}}\n`
  const buffer = Buffer.from(text)
  return {
    kind: 'batch',
    split,
    from: { seq: from },
    next: { seq: to },
    body: { kind: 'bytes', buffer, length: buffer.length, separator: 0x0a },
    rows: to - from,
    bytes: buffer.length,
    release: () => undefined,
  }
}
