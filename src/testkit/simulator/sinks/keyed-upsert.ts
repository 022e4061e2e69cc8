import type { Connector } from '../../../core/connector.ts'
import { failpoint } from '../../../core/failpoints.ts'
import type { SinkCoordinator } from '../../../core/sink.ts'
import type { Audit, Row } from '../audit.ts'
import { callsTo, needsRestart } from '../model-calls.ts'
import type { ModelServer } from '../model-server.ts'
import { ModelWriter } from '../model-writer.ts'
import { modelSink } from '../model-sink.ts'

/** Rows whose number leaves the same remainder share a key. */
const KEYS = 5

/**
 * A database table with keys: rows are visible as they are written, and written again after a restart. What is promised
 * is that the last row of each key is right in the end. A fence in every transaction keeps old instances out.
 */
export class UpsertServer implements ModelServer {
  readonly #audit: Audit
  readonly #values = new Map<string, number>()
  #epoch = 0

  constructor(audit: Audit) {
    this.#audit = audit
  }

  fence(epoch: number): void {
    this.#epoch = Math.max(this.#epoch, epoch)
  }

  upsert(rows: readonly Row[], epoch: number): void {
    if (epoch < this.#epoch) throw needsRestart(`epoch ${epoch} is fenced by ${this.#epoch}`)
    for (const { split, seq } of rows) this.#values.set(`${split}/${seq % KEYS}`, seq)
    this.#audit.arrived(rows)
  }

  wrongAtTheEnd(rowsOf: ReadonlyMap<string, number>): string[] {
    const wrong: string[] = []
    for (const [split, rows] of rowsOf) {
      for (let seq = Math.max(0, rows - KEYS); seq < rows; seq++) {
        const found = this.#values.get(`${split}/${seq % KEYS}`)
        if (found !== seq) wrong.push(`key ${seq % KEYS} of ${split} holds row ${String(found)}, not ${seq}`)
      }
    }
    return wrong
  }

  restart(): void {}

  expire(): boolean {
    return false
  }

  evict(): boolean {
    return false
  }

  isVisible(): boolean {
    return true
  }

  rowsOf(): readonly Row[] {
    return []
  }

  unfinished(): readonly string[] {
    return []
  }
}

const { call } = callsTo<UpsertServer>('keyed-upsert')

export const connector: Connector = modelSink({
  name: 'keyed-upsert',
  delivery: 'convergent',
  writer: () =>
    new ModelWriter({
      send: (work, rows) => call('upsert', (server) => server.upsert(rows, Number(work.ticket['epoch']))),
      prepare: async (work) => {
        failpoint('sink.prepare', 'sent')
        return { rows: work.rows }
      },
      drop: async () => undefined,
    }),
  coordinator: () => upsertCoordinator,
})

/** Nothing is left to commit: a checkpoint is prepared when every row of it is in the table. */
const upsertCoordinator: SinkCoordinator = {
  begin: async (_checkpoint, epoch) => {
    await call('fence', (server) => server.fence(epoch))
    return { epoch }
  },
  combine: async () => [],
  commit: async () => ({ outcome: 'already-committed' }),
  evidence: async (committables) => committables.map(() => ({ state: 'committed' })),
  abort: async () => 'committed',
  sweep: async () => ({ aborted: [], found: 0 }),
  // Rows with keys carry no name of who wrote them; writing them again does no harm.
  findTraces: async () => [],
  fingerprint: async () => ({ table: 'numbers' }),
  close: async () => undefined,
}
