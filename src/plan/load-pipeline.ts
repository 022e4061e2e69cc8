import { realpath } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { dirname, resolve } from 'node:path'
import type { Finding } from '../core/checkpoint-types.ts'
import type { OpenStore } from '../core/file-store.ts'
import type { JsonObject } from '../core/json.ts'
import type { S3Options } from '../core/options.ts'
import { buildPlan, type PlannedPipeline } from './build-plan.ts'
import type { ConnectorLookup } from './check-definition.ts'
import { DuckdbChecker } from './duckdb-checker.ts'
import { interpolate, type Environment } from './interpolate.ts'
import { parseFile } from './parse-file.ts'
import { locate, type LocatedFinding } from './parsed-file.ts'
import type { LookupStep, Plan, Step } from './plan.ts'
import { resolveSecrets } from './resolve-secrets.ts'

export interface LoadOptions {
  readonly connectors: ConnectorLookup
  readonly environment: Environment
  readonly storeOpener: (s3: S3Options | undefined) => OpenStore
  /** Read secrets given as `{file}` or `{exec}`: wanted before connecting, not for a look at the plan. */
  readonly secrets: 'resolve' | 'leave'
  /** Another pipeline made of the one in the file, before environment values are put in. */
  readonly rewrite?: (value: JsonObject) => JsonObject
}

export interface LoadedPipeline {
  /** Absent when a finding is an error. */
  readonly planned: PlannedPipeline | undefined
  readonly findings: readonly LocatedFinding[]
  /** Gives findings about this pipeline their place in the file. */
  locate(findings: readonly Finding[]): readonly LocatedFinding[]
}

/** From a pipeline file to a checked plan: parse, put environment values in, check, plan, resolve secrets. */
export async function loadPipeline(file: string, options: LoadOptions): Promise<LoadedPipeline> {
  const parsed = await parseFile(file)
  const place = (found: readonly Finding[]): readonly LocatedFinding[] => locate(found, parsed)
  if (parsed.value === undefined) return { planned: undefined, findings: parsed.findings, locate: place }
  const { value, findings, paths } = interpolate(options.rewrite?.(parsed.value) ?? parsed.value, options.environment)
  await using sql = new DuckdbChecker()
  const baseDirectory = await realpath(dirname(resolve(file)))
  const built = await buildPlan(value, {
    connectors: options.connectors,
    sql,
    storeOpener: options.storeOpener,
    baseDirectory,
    cores: availableParallelism(),
    fromEnvironment: paths,
  })
  // What a missing variable would have held was checked as an empty text: one finding is enough.
  const missing = new Set(findings.map((finding) => JSON.stringify(finding.path)))
  const others = built.findings.filter((finding) => !missing.has(JSON.stringify(finding.path)))
  const located = inFileOrder(locate([...findings, ...others], parsed))
  if (built.planned === undefined || findings.length > 0)
    return { planned: undefined, findings: located, locate: place }
  if (options.secrets === 'leave') return { planned: built.planned, findings: located, locate: place }
  const resolved = await withSecrets(built.planned.plan, options.connectors)
  if (resolved.findings.length > 0)
    return { planned: undefined, findings: [...located, ...place(resolved.findings)], locate: place }
  return { planned: { ...built.planned, plan: resolved.plan }, findings: located, locate: place }
}

function inFileOrder(findings: readonly LocatedFinding[]): LocatedFinding[] {
  return findings.toSorted(
    (left, right) => (left.line ?? 0) - (right.line ?? 0) || (left.column ?? 0) - (right.column ?? 0),
  )
}

async function withSecrets(
  plan: Plan,
  connectors: ConnectorLookup,
): Promise<{ readonly plan: Plan; readonly findings: readonly Finding[] }> {
  const results = await Promise.all(plan.steps.map((step) => withStepSecrets(step, plan, connectors)))
  return {
    plan: { ...plan, steps: results.map((result) => result.step) },
    findings: results.flatMap((result) => result.findings),
  }
}

async function withStepSecrets(
  step: Step,
  plan: Plan,
  connectors: ConnectorLookup,
): Promise<{ readonly step: Step; readonly findings: readonly Finding[] }> {
  if (step.kind === 'lookup') return await withTableSecrets(step, plan, connectors)
  if (step.kind !== 'source' && step.kind !== 'sink') return { step, findings: [] }
  const connector = await connectors.load(step.connector)
  const schema = (step.kind === 'source' ? connector?.source : connector?.sink)?.options
  if (schema === undefined) return { step, findings: [] }
  const at = [step.kind === 'source' ? 'sources' : 'sinks', step.id]
  const { options, findings } = await resolveSecrets(schema, step.options, at, plan.baseDirectory)
  return { step: { ...step, options }, findings }
}

async function withTableSecrets(
  step: LookupStep,
  plan: Plan,
  connectors: ConnectorLookup,
): Promise<{ readonly step: Step; readonly findings: readonly Finding[] }> {
  const schema = (await connectors.load(step.table.connector))?.source?.options
  if (schema === undefined) return { step, findings: [] }
  const at = ['transforms', step.id, 'lookup', 'table']
  const { options, findings } = await resolveSecrets(schema, step.table.options, at, plan.baseDirectory)
  return { step: { ...step, table: { ...step.table, options } }, findings }
}
