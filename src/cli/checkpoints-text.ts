import type { CheckpointEntry } from '../checkpoint/entries.ts'
import type { Lineage } from '../checkpoint/lineage.ts'
import type { CheckpointSummary } from './checkpoints.ts'
import { formatAge, formatCount, formatDuration } from './quantities.ts'
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

export function checkpointDetailText(entry: CheckpointEntry, summary: CheckpointSummary, lineage: Lineage): string {
  const { checkpoint, epoch, accounting, pending, sources, delivery, tookMs } = entry
  const { read, copied, filtered, deadLettered, written } = accounting
  const confirmed = summary.confirmedAt === null ? '' : `, confirmed ${summary.confirmedAt}`
  const lines = [
    paint('bold', `checkpoint ${checkpoint}`),
    `  published ${entry.at} by epoch ${epoch} in ${formatDuration(tookMs)}${confirmed}`,
    `  ${stateText(summary)}, delivery ${delivery}`,
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
  const transactions = pending.map((item) => [
    item.sink,
    String(item.checkpoint),
    formatCount(item.rows),
    lineage.pending.some((open) => open.checkpoint === item.checkpoint && open.sink === item.sink)
      ? 'pending'
      : 'settled',
    JSON.stringify(item.committable),
  ])
  return [
    `${lines.map((line, at) => (at === 0 ? line : `  ${singleLine(line.trim())}`)).join('\n')}\n`,
    `\n${tableText([['source', 'split', 'next', 'state'], ...positions])}`,
    transactions.length === 0
      ? '\nNo transactions.\n'
      : `\n${tableText([['sink', 'checkpoint', 'rows', 'state', 'transaction'], ...transactions])}`,
  ].join('')
}

function stateText({ state, pending, decisions }: CheckpointSummary): string {
  const open = state === 'pending' && pending > 0 ? ` (${pending} transactions)` : ''
  return [`${state}${open}`, ...decisions.map((decision) => decision.action)].join(', ')
}
