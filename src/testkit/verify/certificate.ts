import type { Outcome } from './play.ts'
import { titleOf } from './plays.ts'

/** What `verify` found, for machines and for the page. */
export interface Certificate {
  readonly pipeline: string
  readonly deliveryClass: string
  readonly reason: string
  readonly version: string
  readonly node: string
  readonly at: string
  readonly seed: number
  readonly rows: number
  readonly seconds: number
  /** Parts that were played by something else. */
  readonly replaced: readonly string[]
  /** Faults that could not be made here. */
  readonly notPlayed: readonly string[]
  /** Of each sink: rows that a reader sees after the clean run, and a hash over them. */
  readonly sinks: readonly { readonly sink: string; readonly rows: number; readonly digest: string }[]
  readonly outcomes: readonly Outcome[]
  readonly held: number
  readonly notPassed: number
  readonly broken: number
}

/** A page that stands alone: no scripts, no addresses, nothing to load. */
export function certificatePage(certificate: Certificate): string {
  const { pipeline, deliveryClass, reason, held, notPassed, broken, outcomes, replaced, sinks } = certificate
  const verdict = broken === 0 ? 'held' : 'broken'
  const rows = outcomes.map((outcome) => {
    const { step, fault } = titleOf(outcome.play)
    const detail = outcome.why ?? (outcome.result === 'broken' ? `${outcome.lost} lost, ${outcome.extra} too many` : '')
    return `<tr class="${outcome.result.replace(' ', '-')}"><td><code>${text(step)}</code></td><td>${text(fault)}</td><td>${text(outcome.result)}</td><td>${outcome.lost}</td><td>${outcome.extra}</td><td>${text(detail)}</td></tr>`
  })
  const facts: readonly (readonly [string, string])[] = [
    ['promise', `${deliveryClass}: ${reason}`],
    ['faults', `${held} held, ${notPassed} not passed by this pipeline, ${broken} broken`],
    ['rows', String(certificate.rows)],
    ['seed', String(certificate.seed)],
    ['versions', `Millrace ${certificate.version}, Node ${certificate.node}`],
    ['made', `${certificate.at}, in ${certificate.seconds.toFixed(1)} s`],
    ...sinks.map(({ sink, rows: seen, digest }) => [`sink ${sink}`, `${seen} rows, digest ${digest}`] as const),
    ...replaced.map((what) => ['stand-in', what] as const),
    ...certificate.notPlayed.map((what) => ['not played', what] as const),
  ]
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${text(pipeline)}: ${verdict}</title>
<style>
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;color:#1c2733;background:#fff}
h1{font-size:1.5rem;margin-bottom:.2rem}.verdict{display:inline-block;padding:.1rem .7rem;border-radius:1rem;color:#fff;background:#20744a}
.verdict.broken{background:#b3261e}dl{display:grid;grid-template-columns:8rem 1fr;gap:.2rem 1rem}dt{color:#5b6b7b}dd{margin:0}
table{border-collapse:collapse;width:100%;margin-top:1.5rem}th,td{text-align:left;padding:.25rem .6rem;border-bottom:1px solid #dde3ea}
.held td:nth-child(3){color:#20744a}.broken td{color:#b3261e}.not-passed td{color:#7b8794}code{font-size:.92em}
@media(prefers-color-scheme:dark){body{background:#14191f;color:#dbe3ec}th,td{border-color:#2b3640}dt{color:#93a3b3}}
</style>
<h1>${text(pipeline)} <span class="verdict ${verdict}">${verdict}</span></h1>
<p>Every row of the sources was looked for in every sink after each of these faults: once, and nothing else.</p>
<dl>${facts.map(([name, value]) => `<dt>${text(name)}</dt><dd>${text(value)}</dd>`).join('')}</dl>
<table><thead><tr><th>step</th><th>fault</th><th>outcome</th><th>lost</th><th>too many</th><th></th></tr></thead>
<tbody>${rows.join('\n')}</tbody></table>
</html>
`
}

function text(value: string): string {
  return value.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`)
}
