import { MillraceError } from '../../../core/errors.ts'
import { failpoint } from '../../../core/failpoints.ts'
import type { CommitOutcome, Evidence } from '../../../core/checkpoint-types.ts'
import type { Connector } from '../../../core/connector.ts'
import type { JsonObject } from '../../../core/json.ts'
import type { SinkCoordinator } from '../../../core/sink.ts'
import type { Audit, Origin, Row } from '../audit.ts'
import { callsTo, type Calls, needsRestart, nameOf, originOf } from '../model-calls.ts'
import type { ModelServer } from '../model-server.ts'
import { ModelWriter, type OpenWork } from '../model-writer.ts'
import { modelSink } from '../model-sink.ts'
import type { Random } from '../random.ts'

interface Transaction {
  state: 'open' | 'prepared' | 'visible' | 'aborted' | 'expired'
  readonly origin: Origin
  readonly rows: Row[]
}

/** A server with labelled transactions, as StarRocks and Doris have them: nobody can be fenced, labels are for ever. */
export class LoadServer implements ModelServer {
  readonly #audit: Audit
  readonly #labels = new Map<string, Transaction>()
  readonly #forgotten = new Map<string, Transaction>()

  constructor(audit: Audit) {
    this.#audit = audit
  }

  begin(label: string, origin: Origin): void {
    if (this.#labels.has(label)) throw needsRestart(`label ${label} exists already`)
    this.#labels.set(label, { state: 'open', origin, rows: [] })
  }

  load(label: string, rows: readonly Row[]): void {
    this.#inState(label, 'open').rows.push(...rows)
  }

  prepare(label: string): void {
    const transaction = this.#labels.get(label)
    if (transaction?.state !== 'prepared') this.#inState(label, 'open').state = 'prepared'
  }

  commit(label: string): Transaction['state'] | 'unknown' {
    const transaction = this.#labels.get(label)
    if (transaction?.state !== 'prepared') return transaction?.state ?? 'unknown'
    transaction.state = 'visible'
    this.#audit.becameVisible(transaction.rows, transaction.origin)
    return 'prepared'
  }

  abort(label: string): 'aborted' | 'committed' | 'unknown' {
    const transaction = this.#labels.get(label)
    if (transaction === undefined) return 'unknown'
    if (transaction.state === 'visible') return 'committed'
    if (transaction.state !== 'expired') transaction.state = 'aborted'
    return 'aborted'
  }

  state(label: string): Transaction['state'] | 'unknown' {
    return this.#labels.get(label)?.state ?? 'unknown'
  }

  restart(): void {
    for (const [label, { state }] of this.#labels) if (state === 'open') this.#labels.delete(label)
  }

  expire(random: Random): boolean {
    const prepared = [...this.#labels.values()].filter(({ state }) => state === 'prepared')
    if (prepared.length === 0) return false
    random.pick(prepared).state = 'expired'
    return true
  }

  expireAll(): boolean {
    const prepared = [...this.#labels.values()].filter(({ state }) => state === 'prepared')
    for (const transaction of prepared) transaction.state = 'expired'
    return prepared.length > 0
  }

  evict(): boolean {
    for (const [label, transaction] of this.#labels) {
      if (transaction.state === 'open' || transaction.state === 'prepared') continue
      this.#forgotten.set(label, transaction)
      this.#labels.delete(label)
    }
    return true
  }

  isVisible(committable: JsonObject): boolean {
    return this.#found(committable)?.state === 'visible'
  }

  rowsOf(committable: JsonObject): readonly Row[] {
    return this.#found(committable)?.rows ?? []
  }

  traces(own: number): readonly string[] {
    return [...this.#labels].flatMap(([label, { state, origin }]) =>
      state === 'visible' || ((state === 'open' || state === 'prepared') && origin.epoch >= own) ? [label] : [],
    )
  }

  unfinished(): readonly string[] {
    return [...this.#labels].flatMap(([label, { state }]) => (state === 'open' || state === 'prepared' ? [label] : []))
  }

  #found(committable: JsonObject): Transaction | undefined {
    const label = String(committable['label'])
    return this.#labels.get(label) ?? this.#forgotten.get(label)
  }

  #inState(label: string, state: Transaction['state']): Transaction {
    const transaction = this.#labels.get(label)
    if (transaction?.state !== state) throw needsRestart(`label ${label} is ${transaction?.state ?? 'not known'}`)
    return transaction
  }
}

const calls = callsTo<LoadServer>('two-phase')
const { call } = calls

export const connector: Connector = modelSink({
  name: 'two-phase',
  delivery: 'atomic',
  writer: ({ lane }) => {
    const labelOf = ({ ticket }: OpenWork): string => `${String(ticket['name'])}-l${lane}`
    return new ModelWriter({
      send: async (work, rows, isFirst) => {
        const label = labelOf(work)
        if (isFirst) await call('begin', (server) => server.begin(label, originOf(work)))
        await call('load', (server) => server.load(label, rows))
      },
      prepare: async (work) => {
        await call('prepare', (server) => server.prepare(labelOf(work)))
        failpoint('sink.prepare', 'sent')
        return { label: labelOf(work), rows: work.rows }
      },
      drop: async (work) => {
        await call('rollback', (server) => server.abort(labelOf(work)))
      },
    })
  },
  coordinator: ({ lanes }) => loadCoordinator(lanes, calls),
})

/** Commits by label, also what another process has prepared. */
export function loadCoordinator(lanes: number, { call, ask }: Calls<LoadServer>): SinkCoordinator {
  return {
    begin: async (checkpoint, epoch) => ({ name: nameOf(epoch, checkpoint), epoch }),
    combine: async (_checkpoint, parts) =>
      parts.map((part) => ({ orderKey: 'table', rows: Number(part['rows']), committable: part })),
    commit: async (_permit, committable) => {
      const state = await ask('commit', (server) => server.commit(String(committable['label'])))
      failpoint('commit', 'sent')
      return outcomeOf(state)
    },
    evidence: (committables) =>
      Promise.all(
        committables.map(async (committable) =>
          evidenceOf(await call('state', (server) => server.state(String(committable['label'])))),
        ),
      ),
    abort: async (committable) =>
      (await ask('abort', (server) => server.abort(String(committable['label'])))) ?? 'unknown',
    sweep: async (scope) => {
      const keep = new Set(scope.keep.map((committable) => String(committable['label'])))
      const aborted: string[] = []
      for (const { epoch, from, to } of scope.runs) {
        if (epoch >= scope.below) continue
        for (let checkpoint = from; checkpoint <= to; checkpoint++) {
          for (let lane = 0; lane < lanes; lane++) {
            const label = `${nameOf(epoch, checkpoint)}-l${lane}`
            if (keep.has(label)) continue
            const found = await call('sweep', (server) => server.abort(label))
            if (found === 'committed') throw unexpected(label)
            if (found === 'aborted') aborted.push(label)
          }
        }
      }
      return { aborted, found: aborted.length }
    },
    findTraces: (own) => call('look for labels', (server) => server.traces(own)),
    fingerprint: async () => ({ table: 'numbers' }),
    close: async () => undefined,
  }
}

/** `prepared` is what the transaction was before: it is visible now. `undefined`: no reply. */
function outcomeOf(state: Transaction['state'] | 'unknown' | undefined): CommitOutcome {
  switch (state) {
    case 'prepared':
      return { outcome: 'committed' }
    case 'visible':
      return { outcome: 'already-committed' }
    case 'expired':
    case 'aborted':
      return { outcome: 'lost', reason: `it is ${state}`, expired: state === 'expired' }
    default:
      return { outcome: 'unknown', reason: state === undefined ? 'no reply' : 'the label is not known' }
  }
}

function evidenceOf(state: Transaction['state'] | 'unknown'): Evidence {
  if (state === 'prepared') return { state: 'committable' }
  if (state === 'visible') return { state: 'committed' }
  if (state === 'unknown') return { state: 'unknown', reason: 'the label is not known' }
  return { state: 'lost', reason: `it is ${state}`, expired: state === 'expired' }
}

/** As the real sinks say it: the sweep looks at what was never published only. */
function unexpected(label: string): MillraceError {
  return new MillraceError(`${label} is committed, and no checkpoint knows it`, { code: 'OUTCOME_UNKNOWN' })
}
