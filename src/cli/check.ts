import type { LoadedPipeline } from '../plan/load-pipeline.ts'
import { preflight } from './preflight.ts'
import { openPipeline } from './pipelines.ts'
import { paint, singleLine } from './terminal.ts'
import type { Output } from './output.ts'
import type { LocatedFinding } from '../plan/parsed-file.ts'
import type { Verb } from './verb.ts'

export const verb: Verb = {
  examples: ['millrace check clicks.yaml', 'millrace check pipelines/*.yaml', 'millrace check clicks.yaml --connect'],
  define(command) {
    command
      .argument('<file...>', 'pipeline files (.yaml, .json, .ts)')
      .option('--connect', 'also ask every source and sink: reachability, rights, limits')
  },
  async run({ args, options, output }) {
    const isConnecting = options['connect'] === true
    const checked: { file: string; name: string | null; delivery: string | null; ok: boolean }[] = []
    const findings: LocatedFinding[] = []
    for (const file of args) {
      const loaded = await openPipeline(file, isConnecting ? 'resolve' : 'leave')
      const all = [...loaded.findings]
      if (loaded.planned !== undefined) {
        printPlan(file, loaded.planned, output)
        if (isConnecting) all.push(...loaded.locate(await preflight(file, loaded.planned.plan, output)))
      }
      const plan = loaded.planned?.plan
      const isOk = !all.some((finding) => finding.severity === 'error')
      checked.push({ file, name: plan?.name ?? null, delivery: plan?.delivery.class ?? null, ok: isOk })
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
