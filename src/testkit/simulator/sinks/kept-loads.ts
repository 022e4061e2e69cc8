import type { Evidence } from '../../../core/checkpoint-types.ts'
import type { Connector } from '../../../core/connector.ts'
import { failpoint } from '../../../core/failpoints.ts'
import type { JsonObject } from '../../../core/json.ts'
import type { SinkCoordinator } from '../../../core/sink.ts'
import type { Row } from '../audit.ts'
import { callsTo, nameOf, originOf } from '../model-calls.ts'
import { ModelWriter, type OpenWork } from '../model-writer.ts'
import { modelSink } from '../model-sink.ts'
import type { Random } from '../random.ts'
import { loadCoordinator, LoadServer } from './two-phase.ts'

interface Kept {
  readonly epoch: number
  readonly rows: readonly Row[]
}

/** What is kept when a job ends: the last work of processes that nobody has started after. */
const LEFT_MAX = 12

/** Labelled transactions whose rows are kept in the checkpoint storage, under the first label that they had. */
export class KeepingServer extends LoadServer {
  readonly keepsRows = true
  readonly #kept = new Map<string, Kept>()

  keep(name: string, kept: Kept): void {
    this.#kept.set(name, kept)
  }

  keptUnder(name: string): readonly Row[] | undefined {
    return this.#kept.get(name)?.rows
  }

  forget(name: string): void {
    this.#kept.delete(name)
  }

  keptBelow(epoch: number): readonly string[] {
    return [...this.#kept].flatMap(([name, kept]) => (kept.epoch < epoch ? [name] : []))
  }

  /** The job was down for ten times the timeout, or one transaction was. */
  override expire(random: Random): boolean {
    return random.chance(0.5) ? this.expireAll() : super.expire(random)
  }

  wrongAtTheEnd(): readonly string[] {
    const left = this.keptBelow(Infinity)
    return left.length > LEFT_MAX ? [`rows of ${left.length} transactions are still kept: ${left.join(', ')}`] : []
  }
}

const calls = callsTo<KeepingServer>('kept-loads')
const { call } = calls

export const connector: Connector = modelSink({
  name: 'kept-loads',
  delivery: 'atomic',
  writer: ({ lane }) => {
    const sent = new WeakMap<OpenWork, Row[]>()
    const labelOf = ({ ticket }: OpenWork): string => `${String(ticket['name'])}-l${lane}`
    return new ModelWriter({
      send: async (work, rows, isFirst) => {
        const label = labelOf(work)
        sent.set(work, [...(sent.get(work) ?? []), ...rows])
        if (isFirst) await call('begin', (server) => server.begin(label, originOf(work)))
        await call('load', (server) => server.load(label, rows))
      },
      prepare: async (work) => {
        const label = labelOf(work)
        const kept = { epoch: Number(work.ticket['epoch']), rows: sent.get(work) ?? [] }
        await Promise.all([
          call('keep', (server) => server.keep(label, kept)),
          call('prepare', (server) => server.prepare(label)),
        ])
        failpoint('sink.prepare', 'sent')
        return { label, kept: label, attempt: 0, lane, checkpoint: work.checkpoint, rows: work.rows }
      },
      drop: async (work) => {
        const label = labelOf(work)
        await call('rollback', (server) => server.abort(label))
        await call('forget', (server) => server.forget(label))
      },
    })
  },
  coordinator: ({ lanes }) => keepingCoordinator(loadCoordinator(lanes, calls)),
})

function keepingCoordinator(loads: SinkCoordinator): SinkCoordinator {
  return {
    ...loads,
    evidence: async (committables) => {
      const found = await loads.evidence(committables)
      return Promise.all(found.map((evidence, index) => withKept(evidence, committables[index])))
    },
    reload: async (lost, own) => {
      const committable = nextOf(lost, own)
      const { label, kept, checkpoint, attempt } = committable
      const rows = await call('read kept', (server) => server.keptUnder(kept))
      failpoint('sink.prepare', 'before')
      await call('begin', (server) => server.begin(label, { epoch: own, checkpoint, attempt }))
      await call('load', (server) => server.load(label, rows ?? []))
      await call('prepare', (server) => server.prepare(label))
      failpoint('sink.prepare', 'sent')
      return committable
    },
    forget: async (committables) => {
      for (const { kept } of committables) await call('forget', (server) => server.forget(String(kept)))
    },
    sweep: async (scope) => {
      const report = await loads.sweep(scope)
      for (const { committable, epoch } of scope.unconfirmed ?? []) {
        const { label } = nextOf(committable, epoch)
        await call('sweep', (server) => server.abort(label))
      }
      const needed = new Set(scope.keep.map(({ kept }) => String(kept)))
      const old = await call('list kept', (server) => server.keptBelow(scope.below))
      for (const name of old) if (!needed.has(name)) await call('forget', (server) => server.forget(name))
      return report
    },
  }
}

async function withKept(evidence: Evidence, committable: JsonObject | undefined): Promise<Evidence> {
  if (evidence.state !== 'lost' || committable === undefined) return evidence
  const rows = await call('look for kept', (server) => server.keptUnder(String(committable['kept'])))
  return rows === undefined ? evidence : { ...evidence, isKept: true }
}

type Committable = JsonObject & {
  readonly label: string
  readonly kept: string
  readonly checkpoint: number
  readonly attempt: number
}

/** The next attempt, under a label of the epoch that makes it. */
function nextOf(lost: JsonObject, own: number): Committable {
  const [checkpoint, attempt] = [Number(lost['checkpoint']), Number(lost['attempt']) + 1]
  const label = `${nameOf(own, checkpoint)}-l${String(lost['lane'])}-a${attempt}`
  return { ...lost, label, kept: String(lost['kept']), checkpoint, attempt }
}
