import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CONNECTOR_MODULES } from '../connectors/registry.ts'
import { errorToData, MillraceError, toMillraceError } from '../core/errors.ts'
import type { LocatedFinding } from '../plan/parsed-file.ts'
import type { Plan } from '../plan/plan.ts'
import type { End } from '../checkpoint/cycle.ts'
import { Job } from '../runtime/job.ts'
import { systemClock } from '../runtime/system-clock.ts'
import { openLocalLog } from '../storage/threaded-log.ts'
import { openStateDirectory } from '../storage/state-directory.ts'
import { openPipeline } from './pipelines.ts'
import { preflight } from './preflight.ts'
import type { Output } from './output.ts'
import { openReporter, type Reporter } from './run-reporter.ts'
import type { StopSignals, Verb } from './verb.ts'

export const verb: Verb = {
  examples: ['millrace run clicks.yaml', 'millrace run clicks.yaml --no-preflight'],
  define(command) {
    command
      .argument('<file>', 'pipeline file (.yaml, .json, .ts)')
      .option('--no-preflight', 'start without asking the systems about limits and retention')
  },
  async run({ args, options, output, signals }) {
    const file = args[0] ?? ''
    const loaded = await openPipeline(file, 'resolve')
    if (loaded.planned === undefined) return { findings: loaded.findings }
    const { plan } = loaded.planned
    const found = options['preflight'] === false ? [] : await findObstacles(file, plan, output)
    if (found.some((finding) => finding.severity === 'error')) return { findings: [...loaded.findings, ...found] }
    const reporter = await openReporter(plan, output)
    try {
      const end = await runUntilEnd(plan, reporter, signals())
      return { result: { name: plan.name, ended: end }, findings: loaded.findings }
    } finally {
      reporter.close()
    }
  },
}

/** What would stop the job later. A server that is away is no obstacle: the job waits for it. */
async function findObstacles(file: string, plan: Plan, output: Output): Promise<LocatedFinding[]> {
  const findings = await preflight(file, plan, { ...output, print: () => undefined })
  return findings.filter((finding) => finding.code !== 'UNAVAILABLE' && finding.severity !== 'info')
}

async function runUntilEnd(plan: Plan, reporter: Reporter, signals: StopSignals): Promise<End> {
  const directory = openStateDirectory(plan.storage, plan.name)
  signals.kill.addEventListener('abort', () => process.kill(process.pid, 'SIGKILL'), { once: true })
  for (;;) {
    const log = openLocalLog(directory, `${process.pid}`)
    const job = new Job({
      plan,
      connectors: CONNECTOR_MODULES,
      log,
      logger: reporter.logger,
      clock: systemClock,
      random: Math.random,
      observe: reporter.observe,
    })
    const stop = (): void => job.stop()
    if (signals.stop.aborted) stop()
    signals.stop.addEventListener('abort', stop, { once: true })
    try {
      return await job.run()
    } catch (thrown) {
      const error = toMillraceError(thrown)
      // A voided checkpoint: the job starts over from the one before, in the same process.
      if (error.retry === 'restart' && error.code === 'UNAVAILABLE' && !signals.stop.aborted) continue
      writeReport(directory, plan, error)
      throw error
    } finally {
      signals.stop.removeEventListener('abort', stop)
      await log.close()
    }
  }
}

/** What a halt was about, for people and tools that come later. Holds names, counts and positions, never rows. */
function writeReport(directory: string, plan: Plan, error: MillraceError): void {
  const { message, code, detail } = errorToData(error)
  const report = {
    pipeline: plan.name,
    at: new Date().toISOString(),
    code,
    exitCode: error.exitCode,
    message,
    detail,
    remedy: error.remedy,
  }
  try {
    writeFileSync(join(directory, 'report.json'), `${JSON.stringify(report, null, 2)}\n`, { mode: 0o600 })
  } catch {
    // The disk may be what halted us; the message is on the screen in any case.
  }
}
