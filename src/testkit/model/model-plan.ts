import { join } from 'node:path'
import type { JsonObject } from '../../core/json.ts'
import type { Plan } from '../../plan/plan.ts'

/** Where the model connectors are, as the runtime wants to know it. */
export const MODEL_CONNECTORS: Readonly<Record<string, string>> = {
  counting: new URL('./counting-source.ts', import.meta.url).href,
  'two-phase': new URL('./two-phase-sink.ts', import.meta.url).href,
}

export interface ModelPlanOptions {
  /** Holds `state` and, as the model server's memory, `server`. */
  readonly directory: string
  /** Options of the model source. */
  readonly source: JsonObject
  readonly lanes: number
  readonly intervalMs: number
}

/** A plan from the model source into the model sink, without a pipeline file. */
export function modelPlan({ directory, source, lanes, intervalMs }: ModelPlanOptions): Plan {
  const delivery = { class: 'atomic', reason: 'model', assumptions: [] } as const
  const bytes = { kind: 'bytes', format: 'json', separator: 0x0a } as const
  return {
    name: 'job',
    was: [],
    parallelism: lanes,
    delivery,
    mode: 'two-phase',
    times: { intervalMs, timeoutMs: 180_000, maxDowntimeMs: 600_000, retained: 3 },
    storage: join(directory, 'state'),
    baseDirectory: directory,
    fingerprint: 'model',
    findings: [],
    steps: [
      {
        kind: 'source',
        id: 'numbers',
        connector: 'counting',
        options: source,
        bounded: true,
        schema: undefined,
        gives: bytes,
        format: 'json',
        metadata: [],
        delivery,
        outputs: [{ to: 'out' }],
      },
      {
        kind: 'sink',
        id: 'out',
        connector: 'two-phase',
        options: { directory: join(directory, 'server') },
        takes: bytes,
        schema: undefined,
        writers: 'lanes',
        delivery,
      },
    ],
  }
}
