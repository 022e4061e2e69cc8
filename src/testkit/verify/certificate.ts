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

/** A page that stands alone: no scripts, no addresses, nothing to load. What is broken comes first. */
export function certificatePage(certificate: Certificate): string {
  const { pipeline, deliveryClass, reason, held, notPassed, broken, outcomes, replaced, notPlayed, sinks } = certificate
  const verdict = broken === 0 ? 'held' : 'broken'
  const rows = outcomes.toSorted((a, b) => Number(b.result === 'broken') - Number(a.result === 'broken')).map(rowOf)
  const facts: readonly (readonly [name: string, values: readonly string[]])[] = [
    ['promise', [`${deliveryClass}: ${reason}`]],
    ['faults', [`${held} held, ${notPassed} not passed, ${broken} broken`]],
    ['not played', notPlayed],
    ['rows', [`${certificate.rows} read, seed ${certificate.seed}`]],
    ...sinks.map(({ sink, rows: seen, digest }) => [`sink ${sink}`, [`${seen} rows, digest ${digest}`]] as const),
    ['played by', replaced],
    ['versions', [`Millrace ${certificate.version}, Node ${certificate.node}`]],
    ['made', [`${certificate.at}, in ${certificate.seconds.toFixed(1)} s`]],
  ]
  const told = facts
    .filter(([, values]) => values.length > 0)
    .map(([name, values]) => `<dt>${text(name)}</dt><dd>${values.map(factOf).join('')}</dd>`)
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${text(pipeline)}: ${verdict}</title>
<style>
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;color:#1c2733;background:#fff}
h1{font-size:1.5rem;margin-bottom:.2rem;overflow-wrap:anywhere}.verdict{display:inline-block;padding:0 .7rem;border-radius:1rem;font-size:1.1rem;color:#fff;background:#20744a}
.verdict.broken{background:#b3261e}dl{display:grid;grid-template-columns:minmax(5rem,8rem) minmax(0,1fr);gap:.2rem 1rem}
dt{color:#5b6b7b;overflow-wrap:anywhere}dd{margin:0;overflow-wrap:anywhere}summary{cursor:pointer}.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%;margin-top:1.5rem}th,td{text-align:left;padding:.25rem .6rem;border-bottom:1px solid #dde3ea;white-space:nowrap}
td:last-child{white-space:normal;min-width:12rem;overflow-wrap:anywhere}.number{text-align:right}
.held td:nth-child(3){color:#20744a}.broken td{color:#b3261e}.not-passed td{color:#6b7783}code{font-size:.92em}
@media(prefers-color-scheme:dark){body{background:#14191f;color:#dbe3ec}th,td{border-color:#2b3640}dt,.not-passed td{color:#93a3b3}
.held td:nth-child(3){color:#5fc492}.broken td{color:#ff8f85}}
</style>
<h1>${text(pipeline)} <span class="verdict ${verdict}">${verdict}</span></h1>
<p>Every row of the sources was looked for in every sink after each of these faults: once, and nothing else. <i>Not passed</i> are
faults at steps that this pipeline never came by: they show nothing.</p>
<dl>
${told.join('\n')}
</dl>
<div class="wide"><table><thead><tr><th>step</th><th>fault</th><th>outcome</th><th class="number">lost</th><th class="number">too many</th><th></th></tr></thead>
<tbody>${rows.join('\n')}</tbody></table></div>
</html>
`
}

function rowOf({ play, result, lost, extra, why = '' }: Outcome): string {
  const { step, fault } = titleOf(play)
  const counts = [lost, extra].map((count) => `<td class="number">${count}</td>`)
  return `<tr class="${result.replace(' ', '-')}"><td><code>${text(step)}</code></td><td>${text(fault)}</td><td>${text(result)}</td>${counts.join('')}<td>${text(why)}</td></tr>`
}

/** The places of many splits are long, and few ask for them. */
const FACT_LENGTH = 200

function factOf(value: string): string {
  if (value.length <= FACT_LENGTH) return `<div>${text(value)}</div>`
  return `<details><summary>${text(value.slice(0, FACT_LENGTH / 2))}…</summary>${text(value)}</details>`
}

function text(value: string): string {
  return value.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`)
}
