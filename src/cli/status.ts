import {
  lastSignOfLife,
  mostUrgent,
  pendingSince,
  shortest,
  type Aging,
  type PartDowntime,
} from '../checkpoint/expiry.ts'
import { ControlClient } from '../server/control-client.ts'
import { findJob, readState, type JobPlace } from './job-state.ts'
import { openPipeline } from './pipelines.ts'
import { preflight } from './preflight.ts'
import type { Output } from './output.ts'
import type { RunStatus } from './run-progress.ts'
import { readReport, readStart, type HaltReport } from './run-records.ts'
import { safeDowntimesOf } from './safe-downtime.ts'
import { statusText } from './status-text.ts'
import type { Verb, VerbCall, VerbResult } from './verb.ts'
import { withHint } from './with-hint.ts'

/** What can be known of a job from outside, whether it runs or not. */
export interface JobStatus {
  readonly pipeline: string
  readonly directory: string
  /** Of the running process; `null` when none answers. */
  readonly running: RunStatus | null
  readonly epoch: number
  readonly published: { readonly checkpoint: number; readonly at: string } | null
  readonly confirmedUpTo: number
  readonly pending: readonly { readonly sink: string; readonly checkpoint: number; readonly rows: number }[]
  readonly ended: 'stopped' | 'finished' | null
  readonly lastStart: { readonly at: string; readonly host: string; readonly pid: number } | null
  /** The shortest of all sources and sinks; `null` when nobody knows. */
  readonly safeDowntime: PartDowntime | null
  /** How much of a safe downtime is used, where it is most urgent; `null` while nothing ages. */
  readonly aging: Aging | null
  /** The newest decision, when nothing was started since. */
  readonly decided: { readonly action: string; readonly at: string; readonly by: string } | null
  /** Why the last process halted, when nothing was started or decided since. */
  readonly halt: HaltReport | null
}

export const verb: Verb = {
  examples: ['millrace status clicks.yaml', 'millrace status .millrace/clicks --json'],
  define(command) {
    command
      .argument('<file>', 'pipeline file or state directory')
      .option('--connect', 'ask sources and sinks how long the job may be down')
  },
  run: (call) => withHint('name a pipeline file, or the state directory of a job', () => status(call)),
}

async function status({ args, options, output }: VerbCall): Promise<VerbResult> {
  const file = args[0] ?? ''
  const place = await findJob(file)
  const asked = options['connect'] === true ? await askSystems(file, output) : undefined
  const status = await statusOf(place, asked)
  return { result: { ...status }, text: statusText(status, Date.now()) }
}

async function statusOf(place: JobPlace, asked: readonly PartDowntime[] | undefined): Promise<JobStatus> {
  using client = await ControlClient.open(place.directory)
  const running = client === undefined ? null : ((await client.ask({ do: 'status' })) as RunStatus)
  const { entries, lineage } = await readState(place)
  const start = readStart(place.directory)
  const report = readReport(place.directory)
  const known = asked ?? start?.safeDowntime ?? []
  const decided = entries.findLast((entry) => entry.kind === 'decision')
  const downMs = running === null ? lastSignOfLife(entries, lineage) : undefined
  /** Nothing newer has happened. ISO times compare as texts. */
  const isNewest = (at: string): boolean => running === null && at >= (start?.at ?? '') && at >= (decided?.at ?? '')
  return {
    pipeline: place.name,
    directory: place.directory,
    running,
    epoch: lineage.epoch,
    published: lineage.newest === undefined ? null : { checkpoint: lineage.newest.checkpoint, at: lineage.newest.at },
    confirmedUpTo: lineage.confirmedUpTo,
    pending: lineage.pending.map(({ sink, checkpoint, rows }) => ({ sink, checkpoint, rows })),
    ended: lineage.ended ?? null,
    lastStart: start === undefined ? null : { at: start.at, host: start.host, pid: start.pid },
    safeDowntime: shortest(known) ?? null,
    aging: mostUrgent(known, { pendingMs: pendingSince(lineage), downMs }, Date.now()) ?? null,
    decided:
      decided !== undefined && isNewest(decided.at)
        ? { action: decided.decision.action, at: decided.at, by: decided.by }
        : null,
    halt: report !== undefined && isNewest(report.at) ? report : null,
  }
}

async function askSystems(file: string, output: Output): Promise<PartDowntime[]> {
  const loaded = await openPipeline(file, 'resolve')
  if (loaded.planned === undefined) return []
  return safeDowntimesOf(await preflight(file, loaded.planned.plan, { ...output, print: () => undefined }))
}
