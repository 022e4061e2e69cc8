import assert from 'node:assert/strict'
import { chmodSync, writeFileSync } from 'node:fs'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { suite, test } from 'node:test'
import { testSourceContext } from '../../testkit/lane-context.ts'
import { SlsEmulator } from '../../testkit/emulators/sls/index.ts'
import { slsSourceOptions, type SlsSourceOptions } from './options.ts'
import { SlsSource } from './source.ts'

const TIMES = { intervalMs: 10_000, timeoutMs: 60_000, maxDowntimeMs: 3_600_000, retained: 3 }

function optionsOf(emulator: SlsEmulator, more: Readonly<Record<string, unknown>> = {}): SlsSourceOptions {
  return slsSourceOptions.parse({
    endpoint: emulator.url,
    project: 'demo',
    logstore: 'logs',
    accessKeyId: 'testAccessKeyId',
    accessKeySecret: 'testAccessKeySecret',
    ...more,
  })
}

async function findings(
  options: SlsSourceOptions,
  baseDirectory = '/',
  maxDowntimeMs = TIMES.maxDowntimeMs,
): Promise<string[]> {
  const times = { ...TIMES, maxDowntimeMs }
  const context = { ...testSourceContext({ baseDirectory }), times, schema: undefined, lanes: 1 }
  const found = await new SlsSource(options).check(context)
  return found.map(({ severity, code, message }) => `${severity} ${code} ${message}`)
}

suite('keys by reference', () => {
  test('are read again when the service refuses the old one', async () => {
    await using emulator = await SlsEmulator.start({ logstores: [{ name: 'logs' }] })
    await using directory = await mkdtempDisposable(path.join(tmpdir(), 'millrace-sls-'))
    const file = path.join(directory.path, 'secret')
    const write = (text: string): void => writeFileSync(file, `${text}\n`, { mode: 0o600 })
    write('testAccessKeySecret')
    const options = optionsOf(emulator, {
      accessKeyId: { exec: `echo testAccessKeyId` },
      accessKeySecret: { file: './secret' },
    })
    const enumerator = new SlsSource(options).enumerator(testSourceContext({ baseDirectory: directory.path }))
    assert.equal((await enumerator.discover(new Set(), true)).length, 2)
    emulator.credentials = [{ accessKeyId: 'testAccessKeyId', accessKeySecret: 'rotated' }]
    write('rotated')
    assert.equal((await enumerator.discover(new Set(), true)).length, 2)
    write('wrong-canary')
    emulator.credentials = [{ accessKeyId: 'testAccessKeyId', accessKeySecret: 'other' }]
    await assert.rejects(
      enumerator.discover(new Set(), true),
      (error: Error & { code?: string; exitCode?: number }) => {
        assert.deepEqual([error.code, error.exitCode], ['AUTH', 75])
        assert.doesNotMatch(error.message, /canary/)
        return true
      },
    )
    await enumerator.close()
  })

  test('that one of several refused requests has found anew are used by the others', async () => {
    await using emulator = await SlsEmulator.start({ logstores: [{ name: 'logs', shards: 12 }] })
    await using directory = await mkdtempDisposable(path.join(tmpdir(), 'millrace-sls-'))
    const file = path.join(directory.path, 'secret')
    writeFileSync(file, 'testAccessKeySecret', { mode: 0o600 })
    const source = new SlsSource(optionsOf(emulator, { accessKeySecret: { file } }))
    const enumerator = source.enumerator(testSourceContext())
    const found = await enumerator.discover(new Set(), true)
    emulator.credentials = [{ accessKeyId: 'testAccessKeyId', accessKeySecret: 'rotated' }]
    writeFileSync(file, 'rotated')
    const lags = await enumerator.lag(found.map(({ split, at }) => ({ split, next: at })))
    assert.equal(lags.size, 12)
    await enumerator.close()
  })

  test('in files that others may read are refused', async () => {
    await using emulator = await SlsEmulator.start({ logstores: [{ name: 'logs' }] })
    await using directory = await mkdtempDisposable(path.join(tmpdir(), 'millrace-sls-'))
    const file = path.join(directory.path, 'secret')
    writeFileSync(file, 'testAccessKeySecret')
    chmodSync(file, 0o644)
    const [finding] = await findings(optionsOf(emulator, { accessKeySecret: { file } }))
    assert.match(finding ?? '', /^error AUTH .*can be read by other users/)
  })
})

suite('the check', () => {
  test('only tells how long a logstore keeps what is not read, where that is long enough', async () => {
    await using emulator = await SlsEmulator.start({ logstores: [{ name: 'logs' }] })
    const told = 'info SAFE_DOWNTIME the job may be down for 29d; then logs of the logstore (ttl) expire'
    assert.deepEqual(await findings(optionsOf(emulator)), [told])
  })

  test('names a retention that is too short, and a logstore, key or server that is not there', async () => {
    await using emulator = await SlsEmulator.start({ logstores: [{ name: 'logs', ttlDays: 1 }] })
    const two = 2 * 86_400_000
    assert.match((await findings(optionsOf(emulator), '/', two))[0] ?? '', /^error PREFLIGHT .*keeps logs for 1 days/)
    assert.match((await findings(optionsOf(emulator, { logstore: 'other' })))[0] ?? '', /LogStoreNotExist/)
    assert.match((await findings(optionsOf(emulator, { accessKeyId: 'x' })))[0] ?? '', /^error AUTH/)
    await emulator.close()
    assert.match((await findings(optionsOf(emulator)))[0] ?? '', /^error UNAVAILABLE .*ECONNREFUSED/)
  })

  test('only warns when a policy withholds the settings', async () => {
    await using emulator = await SlsEmulator.start({ logstores: [{ name: 'logs' }] })
    emulator.addFault({
      action: 'error',
      status: 403,
      code: 'Unauthorized',
      match: { operation: 'getLogstore', times: 0 },
    })
    assert.match((await findings(optionsOf(emulator))).join(), /^warning PREFLIGHT how long the logstore keeps logs/)
  })
})
