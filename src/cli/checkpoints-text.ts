import type { CheckpointEntry } from '../checkpoint/entries.ts'
import type { CheckpointSummary, ListedTransaction } from './checkpoints.ts'
import { formatAge, formatBytes, formatCount, formatDuration } from './quantities.ts'
import { tableText } from './table.ts'
import { paint, singleLine } from './terminal.ts'

export function checkpointListText(list: readonly CheckpointSummary[], now: number): string {
  if (list.length === 0) return 'No checkpoint was published yet.\n'
  return tableText([
    ['checkpoint', 'epoch', 'published', 'read', 'written', 'took', 'state'],
    ...list.map((one) => [
      String(one.checkpoint),
      String(one.epoch),
      formatAge(one.publishedAt, now),
      formatCount(one.read),
      formatCount(one.written),
      formatDuration(one.tookMs),
      stateText(one),
    ]),
  ])
}

export function checkpointDetailText(
  entry: CheckpointEntry,
  summary: CheckpointSummary,
  transactions: readonly ListedTransaction[],
): string {
  const { checkpoint, epoch, accounting, sources, delivery, tookMs } = entry
  const { read, copied, filtered, deadLettered, written } = accounting
  const after = summary.confirmedAfterMs === null ? '' : `, confirmed after ${formatDuration(summary.confirmedAfterMs)}`
  const lines = [
    paint('bold', `checkpoint ${checkpoint}`),
    `  published ${entry.at} by epoch ${epoch} in ${formatDuration(tookMs)}${after}`,
    `  ${stateText(summary)}, delivery ${delivery}, manifest of ${formatBytes(summary.manifestBytes)}`,
    `  read ${formatCount(read)} + copied ${formatCount(copied)} = written ${formatCount(written)} + ` +
      `filtered ${formatCount(filtered)} + dead-lettered ${formatCount(deadLettered)}`,
    ...summary.decisions.map(
      ({ action, sink, at, by, reason }) =>
        `  ${action}${sink === null ? '' : ` of ${sink}`} decided ${at} by ${by}: ${reason}`,
    ),
  ]
  const positions = Object.entries(sources).flatMap(([source, splits]) =>
    splits.map((split) => [source, split.split, JSON.stringify(split.at), split.finished ? 'finished' : 'open']),
  )
  const listed = transactions.map((item) => [
    item.sink,
    String(item.checkpoint),
    String(item.epoch),
    formatCount(item.rows),
    item.fate,
    JSON.stringify(item.committable),
  ])
  return [
    `${lines.map((line, at) => (at === 0 ? line : `  ${singleLine(line.trim())}`)).join('\n')}\n`,
    `\n${tableText([['source', 'split', 'next', 'state'], ...positions])}`,
    listed.length === 0
      ? '\nNo transactions.\n'
      : `\n${tableText([['sink', 'checkpoint', 'epoch', 'rows', 'outcome', 'transaction'], ...listed])}`,
  ].join('')
}

function stateText({ state, pending, decisions, isSavepoint, takenBackBy }: CheckpointSummary): string {
  const open = state === 'pending' && pending > 0 ? ` (${pending} transactions)` : ''
  return [
    `${state}${open}`,
    ...(isSavepoint ? ['savepoint'] : []),
    ...(takenBackBy === null ? [] : [`gone back from (as ${takenBackBy})`]),
    ...decisions.map((decision) => decision.action),
  ].join(', ')
}
