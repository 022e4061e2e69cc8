import { formatAge, formatBytes, formatCount, formatDuration } from './quantities.ts'
import type { RunStatus } from './run-progress.ts'
import { agingText, safeDowntimeText } from './safe-downtime.ts'
import type { JobStatus } from './status.ts'
import { tableText } from './table.ts'
import { paint, singleLine } from './terminal.ts'

/** A status for people: one fact a line, what is wrong first. */
export function statusText(status: JobStatus, now: number): string {
  const facts: [string, string][] = [
    ...(status.running === null ? [] : runningFacts(status.running)),
    ...checkpointFacts(status, now),
    ['safe downtime', status.safeDowntime === null ? 'not known' : safeDowntimeText(status.safeDowntime)],
    ['state', status.directory],
  ]
  const width = Math.max(...facts.map(([name]) => name.length))
  const lines = facts.map(([name, value]) => `  ${paint('dim', name.padEnd(width))}  ${singleLine(value)}`)
  const steps = status.running === null ? '' : `\n${stepTable(status.running)}`
  return `${[headLine(status, now), ...haltLines(status, now), ...agingLines(status), ...lines].join('\n')}\n${steps}`
}

function headLine({ pipeline, running, ended, halt, lastStart, decided }: JobStatus, now: number): string {
  const name = paint('bold', singleLine(pipeline))
  if (running !== null) {
    const word = running.stalled === null ? running.state : `standing still: ${running.stalled}`
    const colour = running.stalled === null ? 'green' : 'red'
    return `${name} ${paint(colour, word)} for ${formatDuration(running.uptimeMs)} (process ${running.pid} on ${singleLine(running.host)})`
  }
  if (halt !== null) return `${name} ${paint('red', `halted: ${halt.code}`)} ${formatAge(halt.at, now)}`
  if (decided !== null) {
    const who = `${formatAge(decided.at, now)} by ${singleLine(decided.by)}`
    return `${name} ${paint('yellow', `decided: ${decided.action}`)} ${who}; start it again to go on`
  }
  if (ended !== null) return `${name} ${ended}`
  if (lastStart === null) return `${name} never ran`
  return `${name} ${paint('yellow', 'not running')}: it was killed, or runs where its socket cannot be reached`
}

function haltLines({ halt }: JobStatus, now: number): string[] {
  if (halt === null) return []
  return [
    `  ${singleLine(halt.message)}`,
    paint('dim', `  → ${singleLine(halt.remedy)} (exit ${halt.exitCode}, ${formatAge(halt.at, now)})`),
  ]
}

function runningFacts(running: RunStatus): [string, string][] {
  const { rows, bytes, rowsPerSecond, bytesPerSecond, lag, lastProblem, rewinds } = running
  const lags = Object.entries(lag).map(([source, records]) => `${source} ${formatCount(records)}`)
  const problem: [string, string][] =
    lastProblem === null
      ? []
      : [[`went back ${rewinds}×`, `last ${lastProblem.at}: ${lastProblem.code} ${lastProblem.message}`]]
  return [
    ['read', `${formatCount(rows)} rows, ${formatBytes(bytes)}`],
    ['rate', `${formatCount(rowsPerSecond)} rows/s, ${formatBytes(bytesPerSecond)}/s`],
    ['lag', lags.length === 0 ? 'not known' : `${lags.join(', ')} records`],
    ['memory', formatBytes(running.rssBytes)],
    ...problem,
  ]
}

function checkpointFacts({ epoch, published, confirmedUpTo, pending }: JobStatus, now: number): [string, string][] {
  const at = published === null ? 'none' : `${published.checkpoint}, ${formatAge(published.at, now)}`
  const open = pending.map(({ sink, checkpoint, rows }) => `${sink} ${checkpoint} (${formatCount(rows)} rows)`)
  return [
    ['epoch', String(epoch)],
    ['published', at],
    ['confirmed', confirmedUpTo === 0 ? 'none' : String(confirmedUpTo)],
    ...(open.length === 0 ? [] : ([['pending', open.join(', ')]] as [string, string][])),
  ]
}

/** Half of a safe downtime is over: what is about to be gone, before anything else. */
function agingLines({ aging, running }: JobStatus): string[] {
  const text = aging === null ? undefined : agingText(aging, running !== null)
  return text === undefined ? [] : [paint('yellow', `  ! ${singleLine(text)}`)]
}

function stepTable({ steps }: RunStatus): string {
  return tableText([
    ['step', 'kind', 'rows', 'rows/s', 'bytes'],
    ...steps.map((step) => [
      step.id,
      step.kind,
      formatCount(step.rows),
      formatCount(step.rowsPerSecond),
      step.bytes === 0 ? '–' : formatBytes(step.bytes),
    ]),
  ])
}
