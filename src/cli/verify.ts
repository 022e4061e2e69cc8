import { writeFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { MillraceError } from '../core/errors.ts'
import { interpolate } from '../plan/interpolate.ts'
import { parseFile } from '../plan/parse-file.ts'
import { certificatePage, type Certificate } from '../testkit/verify/certificate.ts'
import type { RowsFrom } from '../testkit/verify/inputs.ts'
import type { Outcome } from '../testkit/verify/play.ts'
import { titleOf } from '../testkit/verify/plays.ts'
import { verify } from '../testkit/verify/verify.ts'
import { openPipeline } from './pipelines.ts'
import { tableText } from './table.ts'
import { paint } from './terminal.ts'
import type { Verb } from './verb.ts'
import { VERSION } from './version.ts'

const LINE_LENGTH = 160

export const verb: Verb = {
  examples: [
    'millrace verify clicks.yaml',
    'millrace verify clicks.yaml --rows 500 --report proof',
    'millrace verify clicks.yaml --rows-from source-end --limit 5000',
    'millrace verify clicks.yaml --only commit',
    'millrace verify orders.yaml --on-servers',
    'millrace verify clicks.yaml --scratch out=demo.clicks_scratch --query-url mysql://fe1:9030',
  ],
  define(command) {
    command
      .argument('<file>', 'pipeline file (.yaml, .json, .ts)')
      .option('--rows <count>', 'generated rows of each source', '300')
      .option(
        '--rows-from <what>',
        'generated, source (its first records) or source-end (the last ones of a topic or logstore)',
        'generated',
      )
      .option('--limit <count>', 'records of each source that is read', '1000')
      .option('--seed <number>', 'makes the same rows again', '1')
      .option('--only <step>', 'only faults at steps that hold this text, for example commit')
      .option('--on-servers', 'plays SQL sinks on their own server, a test server, in databases that are dropped again')
      .option(
        '--scratch <sink=target>',
        'plays a sink of starrocks, doris or kafka on its own test server, in this empty table or topic; repeatable',
        (one: string, all: readonly string[]) => [...all, one],
        [],
      )
      .option('--query-url <url>', 'of StarRocks and Doris: mysql://host:port of the FE; default: port 9030')
      .option('--report <path>', 'where the certificate goes: <path>.html and <path>.json; default: <name>.verified')
  },
  async run({ args: [file = ''], options, output, signals }) {
    const rowsFrom = rowsFromOf(options['rowsFrom'])
    const { planned, findings } = await openPipeline(file, rowsFrom === 'generated' ? 'leave' : 'resolve')
    const { value } = await parseFile(file)
    if (planned === undefined || value === undefined) return { findings }
    const { plan } = planned
    const { stop } = signals()
    const began = performance.now()
    const seed = numberOf(options['seed'], '--seed', 0, 2 ** 31)
    output.print(
      `Running ${plan.name} with ${rowsFrom === 'generated' ? 'generated rows' : 'rows of its sources'} and targets of its own, undisturbed and then with one fault at a time.\n\n`,
    )
    const verified = await verify({
      value: interpolate(value, process.env).value,
      plan,
      program: process.argv[1] ?? fileURLToPath(import.meta.url),
      rows: numberOf(options['rows'], '--rows', 10, 1_000_000),
      seed,
      rowsFrom,
      limit: numberOf(options['limit'], '--limit', 1, 1_000_000),
      only: typeof options['only'] === 'string' ? options['only'] : undefined,
      width: Math.max(1, Math.min(4, availableParallelism())),
      onServers: options['onServers'] === true,
      scratch: scratchOf(options['scratch']),
      queryUrl: typeof options['queryUrl'] === 'string' ? options['queryUrl'] : undefined,
      signal: stop,
      played: (done, all) => output.live([`${done} of ${all} faults`]),
    })
    output.live([])
    const count = (result: Outcome['result']): number => verified.outcomes.filter((one) => one.result === result).length
    const certificate: Certificate = {
      pipeline: plan.name,
      deliveryClass: plan.delivery.class,
      reason: plan.delivery.reason,
      version: VERSION,
      node: process.version,
      at: new Date().toISOString(),
      seed,
      seconds: (performance.now() - began) / 1000,
      ...verified,
      held: count('held'),
      notPassed: count('not passed'),
      broken: count('broken'),
    }
    const report = path.resolve(typeof options['report'] === 'string' ? options['report'] : `${plan.name}.verified`)
    await writeFile(`${report}.html`, certificatePage(certificate))
    await writeFile(`${report}.json`, `${JSON.stringify(certificate, undefined, 2)}\n`)
    return {
      result: certificate,
      text: certificateText(certificate, report),
      findings,
      exitCode: certificate.broken === 0 ? 0 : new MillraceError('', { code: 'MISMATCH' }).exitCode,
    }
  },
}

function certificateText(certificate: Certificate, report: string): string {
  const { outcomes, held, notPassed, broken, rows, seconds, deliveryClass, replaced } = certificate
  const table = outcomes.map(({ play, result, lost, extra, why }) => {
    const { step, fault } = titleOf(play)
    return [step, fault, result, String(lost), String(extra), why ?? '']
  })
  return [
    tableText([['step', 'fault', 'outcome', 'lost', 'too many', ''], ...table]),
    '\n',
    ...replaced.map((what) => paint('dim', `${short(what)}\n`)),
    ...certificate.notPlayed.map((what) => `not played: ${what}\n`),
    '\n',
    `${rows} rows, ${outcomes.length} runs in ${seconds.toFixed(1)} s: ${held} held, ${notPassed} not passed by this pipeline, `,
    paint(broken === 0 ? 'green' : 'red', `${broken} broken`),
    `. Proven: ${broken === 0 ? deliveryClass : 'nothing'}.\n`,
    `Certificate: ${report}.html, ${report}.json\n`,
  ].join('')
}

/** The places of many splits are in the certificate. */
function short(text: string): string {
  return text.length > LINE_LENGTH ? `${text.slice(0, LINE_LENGTH)}…` : text
}

function rowsFromOf(text: unknown): RowsFrom {
  if (text === 'generated' || text === 'source' || text === 'source-end') return text
  throw new MillraceError(`--rows-from ${String(text)}: expected generated, source or source-end`, { code: 'CONFIG' })
}

function scratchOf(given: unknown): ReadonlyMap<string, string> {
  const pairs = (Array.isArray(given) ? given : []).map((one: unknown) => {
    const [, sink, target] = /^([^=]+)=(.+)$/.exec(String(one)) ?? []
    if (sink !== undefined && target !== undefined) return [sink, target] as const
    throw new MillraceError(`--scratch ${String(one)}: expected <sink>=<table or topic>`, { code: 'CONFIG' })
  })
  return new Map(pairs)
}

function numberOf(text: unknown, option: string, min: number, max: number): number {
  const value = Number(text)
  if (Number.isInteger(value) && value >= min && value <= max) return value
  throw new MillraceError(`${option} has to be a whole number from ${min} to ${max}`, { code: 'CONFIG' })
}
