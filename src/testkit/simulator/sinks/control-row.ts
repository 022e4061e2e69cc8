import type { Connector } from '../../../core/connector.ts'
import type { Evidence } from '../../../core/checkpoint-types.ts'
import { MillraceError } from '../../../core/errors.ts'
import { failpoint } from '../../../core/failpoints.ts'
import type { JsonObject } from '../../../core/json.ts'
import type { SinkCoordinator } from '../../../core/sink.ts'
import type { Audit, Origin, Row } from '../audit.ts'
import { callsTo, nameOf, needsRestart, originOf } from '../model-calls.ts'
import type { ModelServer } from '../model-server.ts'
import { ModelWriter, type OpenWork } from '../model-writer.ts'
import { modelSink } from '../model-sink.ts'

interface Staged {
  readonly origin: Origin
  readonly rows: Row[]
}

/**
 * A database: rows are staged, and applied together with a control row in one transaction. The control row is fence and
 * evidence at once: it knows the newest epoch that was here, and the newest checkpoint of each lane that was applied.
 */
export class ControlServer implements ModelServer {
  readonly #audit: Audit
  readonly #staged = new Map<string, Staged>()
  readonly #known = new Map<string, readonly Row[]>()
  readonly #applied = new Map<string, number>()
  #epoch = 0

  constructor(audit: Audit) {
    this.#audit = audit
  }

  stage(name: string, rows: readonly Row[], origin: Origin): void {
    if (origin.epoch < this.#epoch) throw needsRestart(`epoch ${origin.epoch} is fenced by ${this.#epoch}`)
    const staged = this.#staged.get(name) ?? { origin, rows: [] }
    staged.rows.push(...rows)
    this.#staged.set(name, staged)
    this.#known.set(name, staged.rows)
  }

  apply(name: string, lane: string, checkpoint: number, epoch: number): 'applied' | 'already' | 'missing' {
    if (epoch < this.#epoch) {
      throw new MillraceError(`epoch ${epoch} is fenced by ${this.#epoch}`, { code: 'FENCED' })
    }
    this.#epoch = epoch
    if ((this.#applied.get(lane) ?? 0) >= checkpoint) return 'already'
    const staged = this.#staged.get(name)
    if (staged === undefined) return 'missing'
    this.#staged.delete(name)
    this.#applied.set(lane, checkpoint)
    this.#audit.becameVisible(staged.rows, staged.origin)
    return 'applied'
  }

  evidence(name: string, lane: string, checkpoint: number): Evidence {
    if ((this.#applied.get(lane) ?? 0) >= checkpoint) return { state: 'committed' }
    if (this.#staged.has(name)) return { state: 'committable' }
    return { state: 'lost', reason: 'the staged rows are gone', expired: false }
  }

  discard(name: string): void {
    this.#staged.delete(name)
  }

  stagedBelow(epoch: number): readonly string[] {
    return [...this.#staged].flatMap(([name, { origin }]) => (origin.epoch < epoch ? [name] : []))
  }

  restart(): void {}

  expire(): boolean {
    return false
  }

  evict(): boolean {
    return false
  }

  isVisible(committable: JsonObject): boolean {
    const { lane, checkpoint } = committable
    return (this.#applied.get(String(lane)) ?? 0) >= Number(checkpoint)
  }

  rowsOf(committable: JsonObject): readonly Row[] {
    return this.#known.get(String(committable['name'])) ?? []
  }

  traces(own: number): readonly string[] {
    const applied = [...this.#applied].map(([lane, checkpoint]) => `lane ${lane} up to ${checkpoint}`)
    const staged = [...this.#staged].flatMap(([name, { origin }]) => (origin.epoch >= own ? [name] : []))
    return [...applied, ...staged]
  }

  unfinished(): readonly string[] {
    return this.stagedBelow(Infinity)
  }
}

const { call, ask } = callsTo<ControlServer>('control-row')

export const connector: Connector = modelSink({
  name: 'control-row',
  delivery: 'atomic',
  writer: ({ lane }) => {
    const stagedName = ({ ticket, checkpoint }: OpenWork): string =>
      `${nameOf(Number(ticket['epoch']), checkpoint)}-l${lane}`
    return new ModelWriter({
      send: (work, rows) => call('stage', (server) => server.stage(stagedName(work), rows, originOf(work))),
      prepare: async (work) => {
        failpoint('sink.prepare', 'sent')
        return { name: stagedName(work), lane: String(lane), checkpoint: work.checkpoint, rows: work.rows }
      },
      drop: (work) => call('discard', (server) => server.discard(stagedName(work))),
    })
  },
  coordinator: () => controlCoordinator,
})

const controlCoordinator: SinkCoordinator = {
  begin: async (_checkpoint, epoch) => ({ epoch }),
  combine: async (_checkpoint, parts) =>
    parts.map((part) => ({
      orderKey: String(part['lane']),
      rows: Number(part['rows']),
      committable: part,
    })),
  commit: async (permit, committable) => {
    const [name, lane, checkpoint] = keysOf(committable)
    const result = await ask('apply', (server) => server.apply(name, lane, checkpoint, permit.epoch))
    failpoint('commit', 'sent')
    if (result === undefined) return { outcome: 'unknown', reason: 'no reply' }
    if (result === 'applied') return { outcome: 'committed' }
    if (result === 'already') return { outcome: 'already-committed' }
    return { outcome: 'lost', reason: 'the staged rows are gone', expired: false }
  },
  evidence: (committables) =>
    Promise.all(
      committables.map((committable) => call('read control', (server) => server.evidence(...keysOf(committable)))),
    ),
  abort: async (committable) => {
    const [name, lane, checkpoint] = keysOf(committable)
    const result = await ask('discard', (server) => {
      if (server.evidence(name, lane, checkpoint).state === 'committed') return 'committed'
      server.discard(name)
      return 'aborted'
    })
    return result ?? 'unknown'
  },
  sweep: async (scope) => {
    const keep = new Set(scope.keep.map((committable) => String(committable['name'])))
    const found = await call('list', (server) => server.stagedBelow(scope.below))
    const aborted = found.filter((name) => !keep.has(name))
    for (const name of aborted) await call('discard', (server) => server.discard(name))
    return { aborted, found: found.length }
  },
  findTraces: (own) => call('read control', (server) => server.traces(own)),
  fingerprint: async () => ({ table: 'numbers' }),
  close: async () => undefined,
}

function keysOf(committable: JsonObject): [name: string, lane: string, checkpoint: number] {
  return [String(committable['name']), String(committable['lane']), Number(committable['checkpoint'])]
}
