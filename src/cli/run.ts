import { hostname, totalmem } from 'node:os'
import { CONNECTOR_MODULES } from '../connectors/registry.ts'
import { pendingSince, shortest, type PartDowntime } from '../checkpoint/expiry.ts'
import type { Logger } from '../core/context.ts'
import { toMillraceError, type MillraceError } from '../core/errors.ts'
import type { LocatedFinding } from '../plan/parsed-file.ts'
import type { Plan } from '../plan/plan.ts'
import type { End } from '../checkpoint/cycle.ts'
import { ExpiryWatch } from '../runtime/expiry-watch.ts'
import { holdsThread } from '../runtime/held-threads.ts'
import { ALREADY_FINISHED, Job } from '../runtime/job.ts'
import type { JobObserver } from '../runtime/observer.ts'
import { systemClock } from '../runtime/system-clock.ts'
import { parseMetricsAddress, type MetricsAddress } from '../server/metrics-address.ts'
import { openCheckpointLog, prepareStatePlace, statePlaceOf, type StatePlace } from '../storage/state-place.ts'
import { readState } from './job-state.ts'
import { openPipeline } from './pipelines.ts'
import { preflight } from './preflight.ts'
import { machineBytes, usualMemoryLimit, watchMemory } from './memory-watch.ts'
import type { Output } from './output.ts'
import { RunControl } from './run-control.ts'
import { RunProgress } from './run-progress.ts'
import { readStart, writeReport, writeStart } from './run-records.ts'
import { safeDowntimesOf, safeDowntimeText, withEarlier } from './safe-downtime.ts'
import { openReporter, parseLevel, sayBefore, type Reporter } from './run-reporter.ts'
import { warnOf, warnOfAbsent } from './run-warnings.ts'
import type { StopSignals, Verb } from './verb.ts'

export const verb: Verb = {
  examples: [
    'millrace run clicks.yaml',
    'millrace run clicks.yaml --metrics 9464',
    'millrace run clicks.yaml --no-preflight --log-level debug',
  ],
  define(command) {
    command
      .argument('<file>', 'pipeline file (.yaml, .json, .ts)')
      .option('--no-preflight', 'start without asking the systems about limits and retention')
      .option('--metrics <[host:]port>', 'serve metrics for Prometheus; without a host on 127.0.0.1 only')
      .option('--log-level <level>', 'debug, info, warn or error; default: MILLRACE_LOG_LEVEL, else info')
  },
  async run({ args, options, output, signals }) {
    const file = args[0] ?? ''
    const address = options['metrics'] === undefined ? undefined : parseMetricsAddress(String(options['metrics']))
    const level = parseLevel(String(options['logLevel'] ?? process.env['MILLRACE_LOG_LEVEL'] ?? 'info'))
    const loaded = await openPipeline(file, 'resolve')
    if (loaded.planned === undefined) return { findings: loaded.findings }
    const { plan } = loaded.planned
    const { isFinished, pendingMs } = await stateBefore(plan)
    const found = options['preflight'] === false || isFinished ? undefined : await askSystems(file, plan, output)
    const obstacles = (found ?? []).filter(({ severity, code }) => severity !== 'info' && code !== 'UNAVAILABLE')
    if (obstacles.some((finding) => finding.severity === 'error'))
      return { findings: [...loaded.findings, ...obstacles] }
    const progress = new RunProgress(plan)
    const reporter = openReporter({ plan, progress, output, level })
    try {
      warnOf([...loaded.findings, ...obstacles], reporter.logger)
      const end = isFinished
        ? tellFinished(reporter)
        : await runUntilEnd({ plan, found, pendingMs, progress, reporter, signals: signals(), address })
      return { result: { name: plan.name, ended: end }, findings: loaded.findings }
    } finally {
      reporter.close()
    }
  },
}

function askSystems(file: string, plan: Plan, output: Output): Promise<LocatedFinding[]> {
  const silent = { ...output, print: () => undefined }
  return preflight(file, plan, silent, (ids) =>
    sayBefore(output, `asking about limits and retention: no answer yet from ${ids.join(', ')}`),
  )
}

/** Looked up before anything is asked or started: a supervisor may start a finished job again and again. */
async function stateBefore(plan: Plan): Promise<{ isFinished: boolean; pendingMs: number | undefined }> {
  try {
    const { entries, lineage } = await readState(statePlaceOf(plan))
    const isFinished = lineage.ended === 'finished' && entries.every((entry) => entry.job === plan.name)
    return { isFinished, pendingMs: pendingSince(lineage) }
  } catch {
    // The job finds the same, waits for its store or halts with a report.
    return { isFinished: false, pendingMs: undefined }
  }
}

function tellFinished({ logger, observe }: Reporter): End {
  logger.info(ALREADY_FINISHED)
  observe({ kind: 'ended', as: 'finished' })
  return 'finished'
}

interface RunParts {
  readonly plan: Plan
  /** Of the preflight; absent when nobody was asked. */
  readonly found: readonly LocatedFinding[] | undefined
  /** When the oldest checkpoint was published that waits for its commits. */
  readonly pendingMs: number | undefined
  readonly progress: RunProgress
  readonly reporter: Reporter
  readonly signals: StopSignals
  readonly address: MetricsAddress | undefined
}

async function runUntilEnd({ plan, found, pendingMs, progress, reporter, signals, address }: RunParts): Promise<End> {
  const { logger } = reporter
  warnOfAbsent(found ?? [], logger)
  const place = statePlaceOf(plan)
  prepareStatePlace(place)
  const { directory } = place
  signals.kill.addEventListener('abort', () => process.kill(process.pid, 'SIGKILL'), { once: true })
  const asked = new AbortController()
  const stop = AbortSignal.any([signals.stop, asked.signal])
  stop.addEventListener('abort', () => progress.stopping(), { once: true })
  const control = new RunControl({ plan, directory, progress, logger, stop: () => asked.abort() })
  const parts = askedOrKnown(plan, found, directory)
  let expiry: ExpiryWatch | undefined
  const observe: JobObserver = (event) => {
    progress.see(event)
    control.observe(event)
    reporter.observe(event)
    expiry?.see(event)
  }
  try {
    if (address !== undefined) await control.serveMetrics(address)
    writeStart(directory, {
      pipeline: plan.name,
      at: new Date().toISOString(),
      host: hostname(),
      pid: process.pid,
      delivery: plan.delivery.class,
      safeDowntime: parts,
    })
    const limit = shortest(parts)
    if (limit !== undefined) logger.info(`safe downtime: ${safeDowntimeText(limit)}`)
    expiry = new ExpiryWatch({ parts, pendingMs, clock: systemClock, logger, observe })
    return await runJobs({ plan, place, logger, observe, control }, stop)
  } finally {
    expiry?.close()
    await control.close()
  }
}

/** Who cannot be asked now, is taken to be as it told an earlier start. */
function askedOrKnown(
  plan: Plan,
  found: readonly LocatedFinding[] | undefined,
  directory: string,
): readonly PartDowntime[] {
  const isSilent = (id: string): boolean =>
    found === undefined || found.some(({ code, path }) => code === 'UNAVAILABLE' && path?.[1] === id)
  const silent = new Set(plan.steps.map(({ id }) => id).filter(isSilent))
  return withEarlier(safeDowntimesOf(found ?? []), readStart(directory)?.safeDowntime ?? [], silent)
}

export interface JobParts {
  readonly plan: Plan
  readonly place: StatePlace
  readonly logger: Logger
  readonly observe: JobObserver
  readonly control?: RunControl
}

/** A job that voids a checkpoint starts over from the one before, in the same process. */
export async function runJobs({ plan, place, logger, observe, control }: JobParts, stop: AbortSignal): Promise<End> {
  for (;;) {
    const log = await openCheckpointLog(place, `${process.pid}`)
    const job = new Job({
      plan,
      connectors: CONNECTOR_MODULES,
      log,
      logger,
      clock: systemClock,
      random: Math.random,
      observe: (event) => {
        observe(event)
        if (event.kind === 'halted' && !startsOver(event.error, stop)) writeReport(place.directory, plan, event.error)
      },
    })
    control?.follow(job)
    using _watch = watchMemory(memoryLimitOf(plan), (error) => job.fail(error))
    const stopJob = (): void => job.stop()
    if (stop.aborted) stopJob()
    stop.addEventListener('abort', stopJob, { once: true })
    try {
      return await job.run()
    } catch (thrown) {
      const error = toMillraceError(thrown)
      if (startsOver(error, stop) && !holdsThread()) continue
      throw error
    } finally {
      stop.removeEventListener('abort', stopJob)
      await log.close()
    }
  }
}

function memoryLimitOf({ memoryLimitBytes, parallelism }: Plan): number {
  return memoryLimitBytes ?? usualMemoryLimit(parallelism, machineBytes(process.constrainedMemory(), totalmem()))
}

function startsOver({ retry, code }: MillraceError, stop: AbortSignal): boolean {
  return retry === 'restart' && code === 'UNAVAILABLE' && !stop.aborted
}
