import { startDorisEmulator } from '../../testkit/emulators/doris/index.ts'
import { tablesSuite } from '../../testkit/tables-suite.ts'
import { dorisSinkOptions } from './options.ts'
import { DorisSink } from './sink.ts'

tablesSuite('Doris', async () => {
  const emulator = await startDorisEmulator({ queryPort: 0, password: 'canary' })
  const address = { url: emulator.urls, queryUrl: [`mysql://127.0.0.1:${emulator.queryPort}`], password: 'canary' }
  return {
    emulator,
    separator: 0x0a,
    sink: (options) => new DorisSink(dorisSinkOptions.parse({ ...address, database: 'mirror', ...options })),
  }
})
