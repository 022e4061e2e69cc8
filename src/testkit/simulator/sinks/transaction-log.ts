import { UNCONFIRMED_MAX } from '../../../checkpoint/cycle.ts'
import type { Connector } from '../../../core/connector.ts'
import type { CommitOutcome, Evidence } from '../../../core/checkpoint-types.ts'
import { failpoint } from '../../../core/failpoints.ts'
import type { JsonObject } from '../../../core/json.ts'
import type { SinkCoordinator } from '../../../core/sink.ts'
import type { Audit, Origin, Row } from '../audit.ts'
import { callsTo, needsRestart } from '../model-calls.ts'
import type { ModelServer } from '../model-server.ts'
import { ModelWriter, type OpenWork } from '../model-writer.ts'
import { modelSink } from '../model-sink.ts'
import type { Random } from '../random.ts'

/** Transactional ids of a lane and epoch: what is published and not committed, what is being cut, what is open. */
const SLOTS = UNCONFIRMED_MAX + 2

interface Producer {
  producerEpoch: number
  state: 'empty' | 'ongoing' | 'committed' | 'aborted' | 'expired'
  origin: Origin
  rows: Row[]
  isPrepared: boolean
}

/**
 * A log with transactional producers, as Kafka has it: taking an id again fences whoever had it and aborts what it had
 * open; a progress record inside each transaction is the evidence that it was committed.
 */
export class LogServer implements ModelServer {
  readonly #audit: Audit
  readonly #producers = new Map<string, Producer>()
  readonly #progress = new Set<string>()
  readonly #rows = new Map<string, readonly Row[]>()

  constructor(audit: Audit) {
    this.#audit = audit
  }

  /** InitProducerId. */
  init(id: string, origin: Origin): number {
    const before = this.#producers.get(id)
    const producerEpoch = (before?.producerEpoch ?? -1) + 1
    this.#producers.set(id, { producerEpoch, state: 'empty', origin, rows: [], isPrepared: false })
    return producerEpoch
  }

  produce(id: string, producerEpoch: number, rows: readonly Row[]): void {
    const producer = this.#owned(id, producerEpoch)
    if (producer === undefined) throw needsRestart(`${id} was fenced`)
    if (producer.state !== 'empty' && producer.state !== 'ongoing') throw needsRestart(`${id} is ${producer.state}`)
    producer.state = 'ongoing'
    producer.rows.push(...rows)
  }

  /** The progress record and the last acknowledgement. */
  prepare(id: string, producerEpoch: number): void {
    const producer = this.#owned(id, producerEpoch)
    if (producer?.state !== 'ongoing') throw needsRestart(`${id} cannot be prepared`)
    producer.isPrepared = true
    this.#rows.set(keyOf(id, producerEpoch), producer.rows)
  }

  /** EndTxn with commit. Returns the state before, `fenced` when the id belongs to somebody else. */
  commit(id: string, producerEpoch: number): Producer['state'] | 'fenced' {
    const producer = this.#owned(id, producerEpoch)
    if (producer === undefined) return 'fenced'
    if (producer.state !== 'ongoing') return producer.state
    producer.state = 'committed'
    this.#progress.add(keyOf(id, producerEpoch))
    this.#audit.becameVisible(producer.rows, producer.origin)
    return 'ongoing'
  }

  abort(id: string, producerEpoch: number): 'aborted' | 'committed' {
    if (this.#progress.has(keyOf(id, producerEpoch))) return 'committed'
    const producer = this.#owned(id, producerEpoch)
    if (producer?.state === 'ongoing') producer.state = 'aborted'
    return 'aborted'
  }

  evidence(id: string, producerEpoch: number): Evidence {
    if (this.#progress.has(keyOf(id, producerEpoch))) return { state: 'committed' }
    const state = this.#owned(id, producerEpoch)?.state ?? 'fenced'
    if (state === 'ongoing') return { state: 'committable' }
    return { state: 'lost', reason: `it is ${state} and left no progress record`, expired: state === 'expired' }
  }

  restart(): void {}

  expire(random: Random): boolean {
    const ongoing = [...this.#producers.values()].filter(({ state, isPrepared }) => state === 'ongoing' && isPrepared)
    if (ongoing.length === 0) return false
    random.pick(ongoing).state = 'expired'
    return true
  }

  evict(): boolean {
    return false
  }

  isVisible(committable: JsonObject): boolean {
    return this.#progress.has(keyOf(String(committable['id']), Number(committable['producerEpoch'])))
  }

  rowsOf(committable: JsonObject): readonly Row[] {
    return this.#rows.get(keyOf(String(committable['id']), Number(committable['producerEpoch']))) ?? []
  }

  traces(own: number): readonly string[] {
    const open = [...this.#producers].filter(([, { state, origin }]) => state === 'ongoing' && origin.epoch >= own)
    return [...this.#progress, ...open.map(([id]) => id)]
  }

  unfinished(): readonly string[] {
    return [...this.#producers].flatMap(([id, { state }]) => (state === 'ongoing' ? [id] : []))
  }

  #owned(id: string, producerEpoch: number): Producer | undefined {
    const producer = this.#producers.get(id)
    return producer?.producerEpoch === producerEpoch ? producer : undefined
  }
}

const { call, ask } = callsTo<LogServer>('transaction-log')

export const connector: Connector = modelSink({
  name: 'transaction-log',
  delivery: 'atomic',
  writer: ({ lane }) => {
    const owned = new WeakMap<OpenWork, number>()
    const idOf = ({ ticket, checkpoint }: OpenWork): string => idAt(Number(ticket['epoch']), checkpoint % SLOTS, lane)
    return new ModelWriter({
      send: async (work, rows, isFirst) => {
        const origin = { epoch: Number(work.ticket['epoch']), checkpoint: work.checkpoint }
        if (isFirst) owned.set(work, await call('init', (server) => server.init(idOf(work), origin)))
        await call('produce', (server) => server.produce(idOf(work), owned.get(work) ?? -1, rows))
      },
      prepare: async (work) => {
        const producerEpoch = owned.get(work) ?? -1
        await call('flush', (server) => server.prepare(idOf(work), producerEpoch))
        failpoint('sink.prepare', 'sent')
        return { id: idOf(work), producerEpoch, rows: work.rows }
      },
      drop: async (work) => {
        await call('abort', (server) => server.abort(idOf(work), owned.get(work) ?? -1))
      },
    })
  },
  coordinator: ({ lanes }) => logCoordinator(lanes),
})

function logCoordinator(lanes: number): SinkCoordinator {
  return {
    begin: async (_checkpoint, epoch) => ({ epoch }),
    combine: async (_checkpoint, parts) =>
      parts.map((part) => ({ orderKey: 'topic', rows: Number(part['rows']), committable: part })),
    commit: async (_permit, committable) => {
      const before = await ask('end transaction', (server) => server.commit(...ownerOf(committable)))
      failpoint('commit', 'sent')
      return outcomeOf(before)
    },
    evidence: (committables) =>
      Promise.all(
        committables.map((committable) => call('read progress', (server) => server.evidence(...ownerOf(committable)))),
      ),
    abort: async (committable) => (await ask('abort', (server) => server.abort(...ownerOf(committable)))) ?? 'unknown',
    sweep: async (scope) => {
      const keep = new Set(scope.keep.map((committable) => String(committable['id'])))
      const aborted: string[] = []
      for (const { epoch } of scope.runs) {
        if (epoch >= scope.below) continue
        for (let lane = 0; lane < lanes; lane++) {
          for (let slot = 0; slot < SLOTS; slot++) {
            const id = idAt(epoch, slot, lane)
            if (keep.has(id)) continue
            await call('fence', (server) => server.init(id, { epoch, checkpoint: 0 }))
            aborted.push(id)
          }
        }
      }
      return { aborted, found: aborted.length }
    },
    findTraces: (own) => call('read progress', (server) => server.traces(own)),
    fingerprint: async () => ({ topic: 'numbers' }),
    close: async () => undefined,
  }
}

function idAt(epoch: number, slot: number, lane: number): string {
  return `e${epoch}-s${slot}-l${lane}`
}

function ownerOf(committable: JsonObject): [id: string, producerEpoch: number] {
  return [String(committable['id']), Number(committable['producerEpoch'])]
}

function keyOf(id: string, producerEpoch: number): string {
  return `${id}/${producerEpoch}`
}

function outcomeOf(before: Producer['state'] | 'fenced' | undefined): CommitOutcome {
  if (before === 'ongoing') return { outcome: 'committed' }
  if (before === 'committed') return { outcome: 'already-committed' }
  return { outcome: 'unknown', reason: before === undefined ? 'no reply' : `the producer is ${before}` }
}
