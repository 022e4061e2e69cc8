import { encodeLogGroup } from '../../src/testkit/emulators/sls/log-group.ts'
import { ROW_BYTES, RowGenerator } from './rows.ts'

const GROUP_ROWS = 100

/** The rows of `RowGenerator` from `first` on as log groups of a hundred: their columns as keys, all values text. */
export function logGroupsOf(first: number, count: number): Buffer[] {
  const lines = Buffer.allocUnsafe(count * (ROW_BYTES + 1))
  const used = new RowGenerator(first).fill(lines, count)
  const logs = lines
    .toString('latin1', 0, used)
    .trimEnd()
    .split('\n')
    .map((line) => {
      const row = JSON.parse(line) as Readonly<Record<string, unknown>>
      const contents = Object.entries(row).map(([key, value]): [string, string] => [key, String(value)])
      return { time: 1_763_690_000, contents }
    })
  return Array.from({ length: Math.ceil(count / GROUP_ROWS) }, (_, group) => {
    const part = logs.slice(group * GROUP_ROWS, (group + 1) * GROUP_ROWS)
    return encodeLogGroup({ topic: 'bench', source: '10.0.0.1', logs: part })
  })
}
