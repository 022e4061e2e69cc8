import type { Plan } from '../plan/plan.ts'
import { formatBytes, formatCount, formatDuration } from './quantities.ts'
import type { RunStatus } from './run-progress.ts'
import { paint, singleLine } from './terminal.ts'

const BAR_CELLS = 30

/** A run as a few lines for a terminal: what it does, each step with its rows and rates, a bar where the end is known. */
export function screenLines(status: RunStatus, plan: Plan): string[] {
  return [headLine(status), ...stepLines(status), ...barLines(status, plan)]
}

export function summaryLine(status: RunStatus): string {
  const { pipeline, rows, bytes, written, confirmed, uptimeMs } = status
  const parts = [
    `${formatCount(rows)} rows read (${formatBytes(bytes)})`,
    `${formatCount(written)} written`,
    confirmed === null ? 'no checkpoint' : `last checkpoint ${confirmed.checkpoint}`,
    formatDuration(uptimeMs),
  ]
  return `${singleLine(pipeline)}: ${parts.join(', ')}\n`
}

function headLine(status: RunStatus): string {
  const { state, stalled, confirmed, startedAt, uptimeMs, unconfirmed } = status
  const now = Date.parse(startedAt) + uptimeMs
  const age = confirmed === null ? '' : ` (${formatDuration(now - Date.parse(confirmed.at))} ago)`
  const word = stalled === null ? state : `standing still: ${stalled}`
  const colour = stalled !== null ? 'red' : state === 'running' ? 'green' : 'yellow'
  const parts = [
    `${paint('bold', singleLine(status.pipeline))} ${paint(colour, word)}`,
    formatDuration(uptimeMs - (uptimeMs % 1000)),
    `checkpoint ${confirmed === null ? '–' : confirmed.checkpoint}${age}`,
    ...(unconfirmed > 1 ? [`${unconfirmed} unconfirmed`] : []),
    ...(status.rewinds > 0 ? [paint('yellow', `${status.rewinds}× back to the last checkpoint`)] : []),
  ]
  return parts.join('  ·  ')
}

function stepLines({ steps, lag }: RunStatus): string[] {
  const rows = steps.map((step) => [
    singleLine(step.id),
    `${formatCount(step.rows)} rows`,
    `${formatCount(step.rowsPerSecond)}/s`,
    step.bytes === 0 ? '' : formatBytes(step.bytes),
    step.bytes === 0 ? '' : `${formatBytes(step.bytesPerSecond)}/s`,
    lag[step.id] === undefined ? '' : `lag ${formatCount(lag[step.id] ?? 0)}`,
  ])
  const widths = [0, 1, 2, 3, 4, 5].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows.map((row) => {
    const cells = row.map((cell, column) =>
      column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
    )
    return `  ${cells.join('  ')}`.trimEnd()
  })
}

/** The end is known where every source has one and tells how far it is. */
function barLines({ steps, lag, rows, rowsPerSecond }: RunStatus, plan: Plan): string[] {
  const sources = plan.steps.filter((step) => step.kind === 'source')
  if (!sources.every((source) => source.bounded && lag[source.id] !== undefined)) return []
  const left = Object.values(lag).reduce((a, b) => a + b, 0)
  if (steps.length === 0 || rows + left === 0) return []
  const share = rows / (rows + left)
  const full = Math.floor(share * BAR_CELLS)
  const eta = left > 0 && rowsPerSecond > 0 ? `  about ${formatDuration((left / rowsPerSecond) * 1000)} left` : ''
  const bar = `${'█'.repeat(full)}${paint('dim', '░'.repeat(BAR_CELLS - full))}`
  return [`  ${bar} ${Math.floor(share * 100)} %${eta}`]
}
