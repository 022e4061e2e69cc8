import { appendRows } from '../../testkit/emulators/sls/append-rows.ts'
import { SlsEmulator } from '../../testkit/emulators/sls/index.ts'
import { testLaneContext, testSourceContext } from '../../testkit/lane-context.ts'
import { sourceSuite, type OpenedSource } from '../../testkit/source-suite.ts'
import { openRealLogstore, realLogstore } from '../../testkit/sls-target.ts'
import { slsSourceOptions } from './options.ts'
import { SlsSource } from './source.ts'

const SHARDS = 3

async function open(): Promise<OpenedSource> {
  // Small answers: many of them, and batches that end inside of groups.
  const emulator = await SlsEmulator.start({
    logstores: [{ name: 'logs', shards: SHARDS }],
    settings: { pullBytesMax: 4000 },
  })
  const records: string[] = []
  for (let shard = 0; shard < SHARDS; shard++) {
    for (let part = 0; part < 12; part++) {
      const rows = Array.from({ length: 10 }, (_, at) => ({ shard: String(shard), seq: String(part * 10 + at) }))
      appendRows(emulator.logstore('logs'), shard, rows)
      records.push(...rows.map((row) => JSON.stringify(row)))
    }
  }
  const options = slsSourceOptions.parse({
    endpoint: emulator.address,
    project: 'demo',
    logstore: 'logs',
    accessKeyId: 'testAccessKeyId',
    accessKeySecret: 'testAccessKeySecret',
    end: 'latest',
  })
  const source = new SlsSource(options)
  return {
    records,
    enumerator: () => source.enumerator(testSourceContext()),
    reader: () => source.reader(testLaneContext()),
    refused: (splits) => {
      const [first] = splits
      const moved = (by: number): typeof splits =>
        splits.map((split) => ({ ...split, at: { ...split.at, group: Number(split.at['group']) + by } }))
      const other = { ...first?.spec, shard: 99 }
      const remade = { ...first?.spec, created: 1 }
      return [
        { splits: moved(1_000_000), code: 'POSITION_AHEAD' },
        { splits: moved(-5), code: 'POSITION_LOST' },
        ...(first === undefined
          ? []
          : ([
              { splits: [{ ...first, spec: other }], code: 'POSITION_LOST' },
              { splits: [{ ...first, spec: remade }], code: 'POSITION_LOST' },
            ] as const)),
      ]
    },
    [Symbol.asyncDispose]: () => emulator.close(),
  }
}

sourceSuite('SLS', open)

const real = realLogstore()
let opened: Promise<OpenedSource> | undefined
// Written once: logs of one second cannot be told apart by a start time.
if (real !== undefined) sourceSuite('real SLS', () => (opened ??= openRealLogstore(real)))
