import { shortest, type PartDowntime } from '../checkpoint/expiry.ts'
import type { LoadedPipeline } from '../plan/load-pipeline.ts'
import { preflight } from './preflight.ts'
import { openPipeline } from './pipelines.ts'
import { safeDowntimesOf, safeDowntimeText } from './safe-downtime.ts'
import { paint, singleLine } from './terminal.ts'
import type { Output } from './output.ts'
import type { LocatedFinding } from '../plan/parsed-file.ts'
import type { Verb } from './verb.ts'

interface CheckedPipeline {
  readonly file: string
  readonly name: string | null
  readonly delivery: string | null
  readonly ok: boolean
  /** The shortest, where the systems were asked and one of them knows. */
  readonly safeDowntime: PartDowntime | null
}

export const verb: Verb = {
  examples: ['millrace check clicks.yaml', 'millrace check pipelines/*.yaml', 'millrace check clicks.yaml --connect'],
  define(command) {
    command
      .argument('<file...>', 'pipeline files (.yaml, .json, .ts)')
      .option('--connect', 'also ask every source and sink: reachability, rights, limits')
  },
  async run({ args, options, output }) {
    const isConnecting = options['connect'] === true
    const checked: CheckedPipeline[] = []
    const findings: LocatedFinding[] = []
    for (const file of args) {
      const loaded = await openPipeline(file, isConnecting ? 'resolve' : 'leave')
      const all = [...loaded.findings]
      let safeDowntime: PartDowntime | null = null
      if (loaded.planned !== undefined) {
        printPlan(file, loaded.planned, output)
        if (isConnecting) {
          const found = await preflight(file, loaded.planned.plan, output)
          const limit = shortest(safeDowntimesOf(found))
          safeDowntime = limit ?? null
          if (limit !== undefined) output.print(`  safe downtime ${singleLine(safeDowntimeText(limit))}\n`)
          all.push(...loaded.locate(found))
        }
      }
      const plan = loaded.planned?.plan
      const isOk = !all.some((finding) => finding.severity === 'error')
      checked.push({ file, name: plan?.name ?? null, delivery: plan?.delivery.class ?? null, ok: isOk, safeDowntime })
      findings.push(...all)
    }
    return { result: { pipelines: checked }, findings }
  },
}

function printPlan(file: string, planned: NonNullable<LoadedPipeline['planned']>, output: Output): void {
  const { name, delivery, steps } = planned.plan
  const count = (kind: string): number => steps.filter((step) => step.kind === kind).length
  const parts = [`${count('source')} in`, `${count('sink')} out`, `delivery ${delivery.class}`]
  output.print(`${paint('green', '✓')} ${singleLine(file)}: ${name}, ${parts.join(', ')}\n`)
}
