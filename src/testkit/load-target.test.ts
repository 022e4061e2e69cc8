import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { fileURLToPath } from 'node:url'
import { startDorisEmulator } from './emulators/doris/index.ts'
import { startStarRocksEmulator } from './emulators/starrocks/index.ts'

for (const [server, start] of [
  ['starrocks', startStarRocksEmulator],
  ['doris', startDorisEmulator],
] as const) {
  test(`the promises of the ${server} sink are also tested on the server that the environment names`, async () => {
    await using emulator = await start({ password: 'ca/nary', queryPort: 0 })
    const address = new URL(emulator.urls[0] ?? '')
    address.username = 'root'
    address.password = encodeURIComponent('ca/nary')
    address.search = `queryPort=${emulator.queryPort}&backends=${emulator.backends.join(',')}`
    const { NODE_TEST_CONTEXT: _, ...environment } = process.env
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [
        '--test',
        '--test-reporter=tap',
        fileURLToPath(new URL(`../connectors/${server}/conformance.test.ts`, import.meta.url)),
      ],
      { env: { ...environment, [`MILLRACE_${server.toUpperCase()}`]: address.href } },
    )
    const ran = stdout.split('\n').filter((line) => /^\s*ok \d+ - /.test(line))
    assert.ok(
      ran.some((line) => line.includes('the real server')),
      stdout,
    )
    assert.ok(emulator.requests().some(({ path }) => path.includes('millrace_test')))
    assert.match(stdout, /# fail 0/)
  })
}
