import type { Connector } from '../../../core/connector.ts'
import { failpoint } from '../../../core/failpoints.ts'
import type { JsonObject } from '../../../core/json.ts'
import type { SinkCoordinator } from '../../../core/sink.ts'
import type { Audit, Origin, Row } from '../audit.ts'
import { callsTo, needsRestart, nameOf, originOf } from '../model-calls.ts'
import type { ModelServer } from '../model-server.ts'
import { ModelWriter, type OpenWork } from '../model-writer.ts'
import { modelSink } from '../model-sink.ts'

interface Instant {
  state: 'inflight' | 'completed' | 'rolled back'
  readonly origin: Origin
  readonly files: Map<string, readonly Row[]>
}

/** A table of files under a timeline, as Hudi has it: files are written under an instant that is completed as a whole. */
export class TimelineServer implements ModelServer {
  readonly #audit: Audit
  readonly #instants = new Map<string, Instant>()

  constructor(audit: Audit) {
    this.#audit = audit
  }

  put(name: string, file: string, rows: readonly Row[], origin: Origin): void {
    const instant = this.#instants.get(name) ?? { state: 'inflight', origin, files: new Map() }
    if (instant.state !== 'inflight') throw needsRestart(`instant ${name} is ${instant.state}`)
    this.#instants.set(name, instant)
    instant.files.set(file, rows)
  }

  /** Returns the state before. */
  complete(name: string, files: readonly string[]): Instant['state'] | 'missing' {
    const instant = this.#instants.get(name)
    if (instant?.state !== 'inflight') return instant?.state ?? 'missing'
    instant.state = 'completed'
    const rows = files.flatMap((file) => instant.files.get(file) ?? [])
    this.#audit.becameVisible(rows, instant.origin)
    return 'inflight'
  }

  state(name: string): Instant['state'] | 'missing' {
    return this.#instants.get(name)?.state ?? 'missing'
  }

  rollBack(name: string): 'aborted' | 'committed' {
    const instant = this.#instants.get(name)
    if (instant?.state === 'completed') return 'committed'
    if (instant !== undefined) {
      instant.state = 'rolled back'
      instant.files.clear()
    }
    return 'aborted'
  }

  inflightBelow(epoch: number): readonly string[] {
    return [...this.#instants].flatMap(([name, { state, origin }]) =>
      state === 'inflight' && origin.epoch < epoch ? [name] : [],
    )
  }

  restart(): void {}

  expire(): boolean {
    return false
  }

  evict(): boolean {
    return false
  }

  isVisible(committable: JsonObject): boolean {
    return this.state(String(committable['instant'])) === 'completed'
  }

  rowsOf(committable: JsonObject): readonly Row[] {
    return [...(this.#instants.get(String(committable['instant']))?.files.values() ?? [])].flat()
  }

  traces(own: number): readonly string[] {
    return [...this.#instants].flatMap(([name, { state, origin }]) =>
      state === 'completed' || (state === 'inflight' && origin.epoch >= own) ? [name] : [],
    )
  }

  unfinished(): readonly string[] {
    return this.inflightBelow(Infinity)
  }
}

const { call, ask } = callsTo<TimelineServer>('instant-table')

export const connector: Connector = modelSink({
  name: 'instant-table',
  delivery: 'atomic',
  writer: ({ lane }) => {
    const rowsOf = new WeakMap<OpenWork, Row[]>()
    const nameAt = ({ ticket }: OpenWork): string => String(ticket['instant'])
    return new ModelWriter({
      send: async (work, rows) => {
        rowsOf.set(work, [...(rowsOf.get(work) ?? []), ...rows])
      },
      prepare: async (work) => {
        const file = `${nameAt(work)}-l${lane}`
        await call('put file', (server) => server.put(nameAt(work), file, rowsOf.get(work) ?? [], originOf(work)))
        failpoint('sink.prepare', 'sent')
        return { instant: nameAt(work), file, rows: work.rows }
      },
      drop: async () => undefined,
    })
  },
  coordinator: () => timelineCoordinator,
})

const timelineCoordinator: SinkCoordinator = {
  begin: async (checkpoint, epoch) => ({ instant: nameOf(epoch, checkpoint), epoch }),
  combine: async (_checkpoint, parts) => {
    if (parts.length === 0) return []
    const rows = parts.reduce((sum, part) => sum + Number(part['rows']), 0)
    const committable = { instant: String(parts[0]?.['instant']), files: parts.map((part) => String(part['file'])) }
    return [{ orderKey: 'timeline', rows, committable }]
  },
  commit: async (_permit, committable) => {
    const files = committable['files'] as readonly string[]
    const before = await ask('complete', (server) => server.complete(String(committable['instant']), files))
    failpoint('commit', 'sent')
    if (before === undefined) return { outcome: 'unknown', reason: 'no reply' }
    if (before === 'inflight') return { outcome: 'committed' }
    if (before === 'completed') return { outcome: 'already-committed' }
    return { outcome: 'lost', reason: `the instant is ${before}`, expired: false }
  },
  evidence: (committables) =>
    Promise.all(
      committables.map(async (committable) => {
        const state = await call('look', (server) => server.state(String(committable['instant'])))
        if (state === 'completed') return { state: 'committed' }
        if (state === 'inflight') return { state: 'committable' }
        return { state: 'lost', reason: `the instant is ${state}`, expired: false }
      }),
    ),
  abort: async (committable) =>
    (await ask('roll back', (server) => server.rollBack(String(committable['instant'])))) ?? 'unknown',
  sweep: async (scope) => {
    const keep = new Set(scope.keep.map((committable) => String(committable['instant'])))
    const found = await call('list', (server) => server.inflightBelow(scope.below))
    const aborted = found.filter((name) => !keep.has(name))
    for (const name of aborted) await call('roll back', (server) => server.rollBack(name))
    return { aborted, found: found.length }
  },
  findTraces: (own) => call('look at the timeline', (server) => server.traces(own)),
  fingerprint: async () => ({ table: 'numbers' }),
  close: async () => undefined,
}
