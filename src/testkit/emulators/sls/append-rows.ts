import { countLogs, encodeLogGroup, type PlainLogGroup } from './log-group.ts'
import type { Logstore } from './logstore.ts'

/** Appends one group with a log for each row. */
export function appendRows(
  logstore: Logstore,
  shard: number,
  rows: readonly Readonly<Record<string, string | Uint8Array>>[],
  more: Omit<PlainLogGroup, 'logs'> = {},
): void {
  const logs = rows.map((row) => ({ time: 1_763_690_000, contents: Object.entries(row) }))
  const group = encodeLogGroup({ ...more, logs })
  logstore.shard(shard).append(group, countLogs(group), Math.floor(Date.now() / 1000))
}
