import type { Finding } from '../core/checkpoint-types.ts'
import type { Logger, PreflightContext } from '../core/context.ts'
import { toMillraceError } from '../core/errors.ts'
import type { LocatedFinding } from '../plan/parsed-file.ts'
import type { Plan, SinkStep, SourceStep } from '../plan/plan.ts'
import { systemClock } from '../runtime/system-clock.ts'
import { storeOpener } from '../storage/open-store.ts'
import { proveLogPlace, statePlaceOf } from '../storage/state-place.ts'
import { CONNECTORS } from './pipelines.ts'
import type { Output } from './output.ts'
import { paint, singleLine } from './terminal.ts'

const TIME_LIMIT_MS = 20_000
const WAITING_MS = 1500
/** A running job waits and tries again; who asks now wants to know where to look. */
const UNREACHABLE = 'is the server running, is the address right, is there a firewall between?'

/**
 * Asks every system of the plan at the same time whether the pipeline can run on it. Changes nothing anywhere. `waiting`
 * is told once, after a moment, whose answers are still to come.
 */
export async function preflight(
  file: string,
  plan: Plan,
  output: Output,
  waiting: (ids: readonly string[]) => void = () => undefined,
): Promise<LocatedFinding[]> {
  const steps = plan.steps.filter((step) => step.kind === 'source' || step.kind === 'sink')
  const asked = new Set(steps.map(({ id }) => id))
  const notice = setTimeout(() => waiting([...asked]), WAITING_MS)
  const storage = checkStorage(plan)
  const results = await Promise.all(
    steps.map(async (step) => {
      const findings = await withTimeLimit(checkStep(step, plan), step)
      asked.delete(step.id)
      const isBad = findings.some((finding) => finding.severity === 'error')
      const mark = isBad
        ? paint('red', '✗')
        : findings.some((finding) => finding.severity === 'warning')
          ? paint('yellow', '!')
          : paint('green', '✓')
      output.print(`  ${mark} ${step.id} (${singleLine(step.connector)})\n`)
      return findings.map((finding) => ({ file, ...advised(finding), path: placed(finding, step) }))
    }),
  )
  clearTimeout(notice)
  return [...results.flat(), ...(await storage).map((finding) => ({ file, ...advised(finding) }))]
}

/** The checkpoint log in object storage. A directory is looked at when it is opened. */
async function checkStorage(plan: Plan): Promise<readonly Finding[]> {
  try {
    await proveLogPlace(statePlaceOf(plan))
    return []
  } catch (thrown) {
    const { code, message, remedy } = toMillraceError(thrown)
    // A server without conditional writes says itself what can be done.
    const hint = code === 'PREFLIGHT' ? {} : { hint: remedy }
    return [{ severity: 'error', code, message, ...hint, path: ['checkpoint', 'storage'] }]
  }
}

function advised(finding: Finding): Finding {
  return finding.code === 'UNAVAILABLE' ? { ...finding, hint: UNREACHABLE } : finding
}

function placed(finding: Finding, step: SourceStep | SinkStep): readonly (string | number)[] {
  const section = step.kind === 'source' ? 'sources' : 'sinks'
  const path = finding.path ?? []
  return path[0] === section && path[1] === step.id ? path : [section, step.id, ...path]
}

async function checkStep(step: SourceStep | SinkStep, plan: Plan): Promise<readonly Finding[]> {
  const context: PreflightContext = {
    job: plan.name,
    id: step.id,
    baseDirectory: plan.baseDirectory,
    log: SILENT,
    clock: systemClock,
    times: plan.times,
    schema: step.schema,
    lanes: plan.parallelism,
    openStore: storeOpener(plan.s3),
  }
  try {
    const connector = await CONNECTORS.load(step.connector)
    const side = step.kind === 'source' ? connector?.source : connector?.sink
    const opened = await side?.create(side.options.parse(step.options))
    return (await opened?.check(context)) ?? []
  } catch (thrown) {
    const error = toMillraceError(thrown)
    return [{ severity: 'error', code: error.code, message: error.message, hint: error.remedy }]
  }
}

async function withTimeLimit(
  check: Promise<readonly Finding[]>,
  step: SourceStep | SinkStep,
): Promise<readonly Finding[]> {
  const late = Promise.withResolvers<readonly Finding[]>()
  const timer = setTimeout(() => {
    const message = `${step.connector} did not answer within ${TIME_LIMIT_MS / 1000} s`
    late.resolve([{ severity: 'error', code: 'UNAVAILABLE', message, hint: UNREACHABLE }])
  }, TIME_LIMIT_MS)
  try {
    return await Promise.race([check, late.promise])
  } finally {
    clearTimeout(timer)
  }
}

const SILENT: Logger = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined }
