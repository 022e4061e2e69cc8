import { startStarRocksEmulator } from '../../testkit/emulators/starrocks/index.ts'
import { tablesSuite } from '../../testkit/tables-suite.ts'
import { starrocksSinkOptions } from './options.ts'
import { StarRocksSink } from './sink.ts'

tablesSuite('StarRocks', async () => {
  const emulator = await startStarRocksEmulator({ queryPort: 0, password: 'canary' })
  const address = { url: emulator.urls, queryUrl: [`mysql://127.0.0.1:${emulator.queryPort}`], password: 'canary' }
  return {
    emulator,
    separator: 0x2c,
    sink: (options) => new StarRocksSink(starrocksSinkOptions.parse({ ...address, database: 'mirror', ...options })),
  }
})
