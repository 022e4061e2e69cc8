import { formatDuration, type S3Options } from '../core/options.ts'
import type { Json, JsonObject } from '../core/json.ts'
import type { AggregateWork } from '../dataplane/aggregate-work.ts'
import type { DeduplicateWork } from '../dataplane/deduplicate-work.ts'
import type { JoinWork } from '../dataplane/join-work.ts'
import type { PlannedPipeline } from './build-plan.ts'
import type { ConnectorLookup } from './check-definition.ts'
import { formatSchema } from './flow.ts'
import { maskSecrets } from './option-schema.ts'
import type { LookupStep, Plan, Step } from './plan.ts'

/** What will run and what it promises, as JSON. Secrets are masked; lists keep the order of the flow. */
export interface Explanation {
  readonly name: string
  readonly delivery: {
    readonly class: string
    readonly reason: string
    readonly assumptions: readonly string[]
    readonly parts: readonly {
      readonly part: string
      readonly class: string
      readonly reason: string
      readonly isWeakest: boolean
    }[]
  }
  readonly mode: string
  readonly parallelism: number
  readonly checkpoint: {
    readonly interval: string
    readonly timeout: string
    readonly maxDowntime: string
    readonly storage: string
    readonly retained: number
  }
  /** The top level's; AWS where it says nothing. */
  readonly s3?: S3Options
  readonly fingerprint: string
  readonly steps: readonly ExplainedStep[]
}

export interface ExplainedStep {
  readonly id: string
  readonly kind: Step['kind']
  /** One line: connector, or what kind of query. */
  readonly what: string
  readonly options?: JsonObject
  /** Facts in the order of reading them: columns, metadata, statements. */
  readonly facts: readonly (readonly [string, string])[]
  readonly to: readonly { readonly step: string; readonly rows: string; readonly body: string; readonly why: string }[]
}

export async function explain(planned: PlannedPipeline, connectors: ConnectorLookup): Promise<Explanation> {
  const { plan } = planned
  const steps = await Promise.all(plan.steps.map((step) => explainStep(step, planned, connectors)))
  const { intervalMs, timeoutMs, maxDowntimeMs, retained } = plan.times
  return {
    name: plan.name,
    delivery: {
      class: plan.delivery.class,
      reason: plan.delivery.reason,
      assumptions: plan.delivery.assumptions,
      parts: planned.deliveryParts.map(({ part, delivery }) => ({
        part,
        class: delivery.class,
        reason: delivery.reason,
        isWeakest: delivery.class === plan.delivery.class,
      })),
    },
    mode: plan.mode,
    parallelism: plan.parallelism,
    checkpoint: {
      interval: formatDuration(intervalMs),
      timeout: formatDuration(timeoutMs),
      maxDowntime: formatDuration(maxDowntimeMs),
      storage: plan.storage,
      retained,
    },
    ...(plan.s3 && { s3: plan.s3 }),
    fingerprint: plan.fingerprint,
    steps,
  }
}

async function explainStep(step: Step, planned: PlannedPipeline, connectors: ConnectorLookup): Promise<ExplainedStep> {
  const edges = planned.edges.filter((edge) => edge.from === step.id)
  const to = edges.map((edge) => ({ step: edge.to, rows: edge.rows, body: edge.body, why: edge.why }))
  const options = await printableOptions(step, connectors)
  return {
    id: step.id,
    kind: step.kind,
    ...(options === undefined ? {} : { options }),
    ...describeStep(step, planned.plan),
    to,
  }
}

async function printableOptions(step: Step, connectors: ConnectorLookup): Promise<JsonObject | undefined> {
  if (step.kind !== 'source' && step.kind !== 'sink') return undefined
  const connector = await connectors.load(step.connector)
  const schema = (step.kind === 'source' ? connector?.source : connector?.sink)?.options
  return schema === undefined ? undefined : maskSecrets(schema, withoutSchema(step.options))
}

/** The columns are printed once, as the plan understood them. */
function withoutSchema(options: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(options).filter(([name]) => name !== 'schema'))
}

function describeStep(step: Step, plan: Plan): Pick<ExplainedStep, 'what' | 'facts'> {
  switch (step.kind) {
    case 'source':
      return {
        what: `${step.connector}, ${step.bounded ? 'ends by itself' : 'runs until stopped'}, ${step.format} records`,
        facts: [
          ['columns', formatSchema(step.schema)],
          ...(step.reads === undefined ? [] : [['fetched', step.reads.join(', ') || 'no column'] as const]),
          ...(step.prune === undefined ? [] : [['pruned by', step.prune] as const]),
          ...(step.metadata.length > 0 ? [['metadata', step.metadata.join(', ')] as const] : []),
        ],
      }
    case 'letters':
      return { what: 'dead letters', facts: letterFacts(step.sink, plan) }
    case 'query':
      return {
        what: step.selects.length === 0 ? 'conversion' : 'SQL over each batch',
        facts: [
          ['reads', `${step.relation} (${formatSchema([...step.input.schema, ...step.metadata])})`],
          ...step.selects.flatMap((select) => [
            [select.name, oneLine(select.sql)] as const,
            ['', `→ ${formatSchema(select.schema)}`] as const,
          ]),
        ],
      }
    case 'module':
      return {
        what: `functions of ${relativeTo(plan.baseDirectory, step.file)}`,
        facts: [['columns', formatSchema(step.schema)]],
      }
    case 'lookup': {
      const on = step.on.map(({ row, column }) => `${row} = ${column}`).join(', ')
      const age = ageOf(step)
      const facts = [
        ['on', on],
        ['table', `${age}, ${formatSchema(step.table.schema)}`],
        ['columns', formatSchema(step.schema)],
      ] as const
      return { what: `looks up in ${step.table.connector}, ${step.missing} where there is nothing`, facts }
    }
    case 'explode': {
      const how = step.keepsEmpty ? 'empty ones stay with NULL' : 'empty ones are filtered'
      return { what: `a row for each element of ${step.list}, ${how}`, facts: [['columns', formatSchema(step.schema)]] }
    }
    case 'partial':
      return { what: 'gathers each batch by key', facts: aggregateFacts(step.work) }
    case 'intake':
      return { what: 'takes late rows out', facts: deduplicateFacts(step.work) }
    case 'deduplicate':
      return { what: 'the first row of each key', facts: deduplicateFacts(step.work) }
    case 'aggregate':
      return { what: 'keeps results by key', facts: [['columns', formatSchema(step.work.output)]] }
    case 'join-intake':
      return { what: `takes late rows of the ${step.side} side out`, facts: joinFacts(step.work) }
    case 'join':
      return { what: 'pairs rows by key and event time', facts: [['columns', formatSchema(step.work.output)]] }
    case 'exchange': {
      const { routing, schema } = step
      const facts = [
        ['key', routing.key.join(', ')],
        ['why', routing.why],
        ['columns', step.inner === undefined ? formatSchema(schema) : `${step.inner.length} of the step itself`],
      ] as const
      const how = routing.together === 'must' ? 'all rows of a key go to one lane' : 'by key, hot ones to several lanes'
      return { what: `between ${plan.parallelism} lanes, ${how}`, facts }
    }
    case 'sink': {
      const writers =
        step.writers === 'lanes' ? 'one writer per lane' : `${step.writers} writer${step.writers === 1 ? '' : 's'}`
      return { what: `${step.connector}, ${writers}`, facts: [['columns', formatSchema(step.schema)]] }
    }
  }
}

function ageOf({ refreshMs, onDemand }: LookupStep): string {
  if (onDemand === undefined)
    return refreshMs === undefined ? 'read at the start' : `at most ${formatDuration(refreshMs)} old`
  return `asked for ${onDemand.batchKeys} keys at once, answers count for ${formatDuration(onDemand.ttlMs)}`
}

function aggregateFacts({ groupBy, window, time, parts }: AggregateWork): ExplainedStep['facts'] {
  const { kind, ...lengths } = window ?? { kind: undefined }
  const durations = Object.entries(lengths).filter(([name, micros]) => name !== 'offset' || micros !== 0)
  const shown = durations.map(([name, micros]) => `${name} ${formatDuration(Number(micros) / 1000)}`)
  const delay = time === undefined ? '' : `${time.column}, ${formatDuration(time.delay / 1000)} behind the newest`
  return [
    ['key', groupBy.join(', ') || 'one for all rows'],
    ...(kind === undefined ? [] : [['window', `${kind}, ${shown.join(', ')}`] as const]),
    ...(time === undefined ? [] : [['event time', delay] as const]),
    ['keeps', parts.map(({ partial }) => oneLine(partial)).join(', ')],
  ]
}

function deduplicateFacts({ key, time, ttl }: DeduplicateWork): ExplainedStep['facts'] {
  const by = time === undefined ? 'time of this machine' : `${time.column}, ${formatDuration(time.delay / 1000)} behind`
  return [
    ['key', key.join(', ')],
    ['remembers', `${formatDuration(ttl / 1000)} by ${by}`],
  ]
}

function letterFacts(sink: string, { deadLetters = {} }: Plan): ExplainedStep['facts'] {
  const routes = Object.entries(deadLetters).filter(([, { to }]) => to === sink)
  return routes.map(([part, { maxRows, maxRatio }]) => {
    const count = maxRows === undefined ? '' : `more than ${maxRows}, or `
    return [part, `halts at ${count}more than ${maxRatio * 100} % of the records read`]
  })
}

function joinFacts({ left, right, before, after, time }: JoinWork): ExplainedStep['facts'] {
  const keys = left.key.map((name, index) => `${name} = ${right.key[index]}`)
  const within = `${formatDuration(before / 1000)} before to ${formatDuration(after / 1000)} after the left row`
  return [
    ['key', keys.join(', ')],
    ['within', within],
    ['event time', `${left.time} and ${right.time}, ${formatDuration(time.delay / 1000)} behind the newest`],
  ]
}

function relativeTo(directory: string, file: string): string {
  return file.startsWith(`${directory}/`) ? `./${file.slice(directory.length + 1)}` : file
}

function oneLine(sql: string): string {
  return sql.includes('--') ? sql.trim() : sql.trim().replace(/\s*\n\s*/g, ' ')
}

/** The explanation as text, about one screen. */
export function explanationText(explanation: Explanation): string {
  const { delivery, checkpoint } = explanation
  const lines = [
    `pipeline ${explanation.name}: delivery ${delivery.class}, ${explanation.mode}, ${explanation.parallelism} lanes`,
    `checkpoints every ${checkpoint.interval} into ${checkpoint.storage} (timeout ${checkpoint.timeout}, ` +
      `safe downtime ${checkpoint.maxDowntime}, ${checkpoint.retained} kept)`,
    ...(explanation.s3 === undefined ? [] : [`object storage ${JSON.stringify(explanation.s3)}`]),
    '',
  ]
  for (const step of explanation.steps) lines.push(...stepLines(step), '')
  lines.push(`delivery ${delivery.class}: ${delivery.reason}`)
  for (const part of delivery.parts) {
    lines.push(`  ${part.isWeakest ? '*' : ' '} ${part.part}: ${part.class}, ${part.reason}`)
  }
  for (const assumption of delivery.assumptions) lines.push(`  if: ${assumption} (accepted)`)
  return `${lines.join('\n')}\n`
}

function stepLines(step: ExplainedStep): string[] {
  const options = Object.entries(step.options ?? {}).map(([name, value]) => [name, optionText(value)] as const)
  const rows = [...options, ...step.facts]
  const width = Math.max(...rows.map(([name]) => name.length), 0)
  const lines = [`${step.kind} ${step.id} (${step.what})`]
  for (const [name, value] of rows) lines.push(`    ${name.padEnd(width)}  ${value}`.trimEnd())
  for (const edge of step.to) {
    const rows = edge.rows === step.id ? '' : ` (${edge.rows})`
    lines.push(`  → ${edge.step}${rows}: ${edge.body}; ${edge.why}`)
  }
  return lines
}

function optionText(value: Json): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}
