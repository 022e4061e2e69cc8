import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { Secret } from '../../core/secret.ts'
import { ManualClock } from '../../testkit/emulators/clock.ts'
import { cursorOf, SlsEmulator, type SlsEmulatorOptions, type SlsFaultRule } from '../../testkit/emulators/sls/index.ts'
import { countLogs, encodeLogGroup } from '../../testkit/emulators/sls/log-group.ts'
import { SlsClient, type SlsClientOptions } from './client.ts'
import { fixedCredentials, type SlsCredentials } from './credentials.ts'
import { LogReader } from './log-reader.ts'
import { DamagedAnswer, unpack, type PulledLogs } from './pulled-logs.ts'

const CREDENTIALS: SlsCredentials = {
  accessKeyId: 'testAccessKeyId',
  accessKeySecret: new Secret('testAccessKeySecret'),
}

async function startEmulator(options: SlsEmulatorOptions = {}): Promise<SlsEmulator> {
  return SlsEmulator.start({ logstores: [{ name: 'logs', shards: 2 }], ...options })
}

function clientOf(emulator: SlsEmulator, more: Partial<SlsClientOptions> = {}): SlsClient & { reports: string[] } {
  const reports: string[] = []
  const client = new SlsClient({
    endpoint: emulator.url,
    project: 'demo',
    logstore: 'logs',
    credentials: fixedCredentials(CREDENTIALS),
    patienceMs: 20_000,
    report: (message) => reports.push(message),
    random: () => 0,
    now: () => emulator.clock.now(),
    ...more,
  })
  return Object.assign(client, { reports })
}

function put(emulator: SlsEmulator, shard: number, count: number): void {
  for (let index = 0; index < count; index++) {
    const group = encodeLogGroup({ logs: [{ time: 1, contents: [['n', `${index} ${'x'.repeat(50)}`]] }] })
    emulator
      .logstore('logs')
      .shard(shard)
      .append(group, countLogs(group), Math.floor(emulator.clock.now() / 1000))
  }
}

const pull = async (client: SlsClient, codec: 'lz4' | 'zstd' | 'none' = 'lz4'): Promise<PulledLogs> =>
  client.pullLogs({ shard: 0, cursor: await client.getCursor(0, 'begin'), count: 1000, codec })

function read(pulled: PulledLogs): number {
  const reader = new LogReader()
  reader.load(unpack(pulled, undefined).memory, pulled.rawBytes, pulled.groups)
  let logs = 0
  for (; reader.hasLog; reader.next()) logs++
  return logs
}

suite('pulling', () => {
  for (const signature of ['v1', 'v4'] as const) {
    for (const codec of ['lz4', 'zstd', 'none'] as const) {
      test(`gives every group, signed ${signature}, compressed ${codec}`, async () => {
        await using emulator = await startEmulator()
        await using client = clientOf(emulator, { signature, region: 'cn-hangzhou' })
        put(emulator, 0, 30)
        const pulled = await pull(client, codec)
        assert.equal(read(pulled), 30)
        const { begin, end } = emulator.logstore('logs').shard(0)
        assert.deepEqual([pulled.first, pulled.next, pulled.isEnd], [begin, cursorOf(end), true])
        const [request] = emulator.requests()
        assert.deepEqual([request?.signature, request?.host], [signature.toUpperCase(), `demo.${emulator.address}`])
      })
    }
  }

  test('knows the first position also when the service leaves the last one out', async () => {
    await using emulator = await startEmulator({ settings: { hidesLastCursor: true } })
    await using client = clientOf(emulator)
    put(emulator, 0, 3)
    assert.equal((await pull(client)).first, emulator.logstore('logs').shard(0).begin)
  })

  for (const action of [
    'cut-block',
    'garbled-block',
    'broken-list',
    'wrong-raw-size',
    'wrong-count',
    'no-cursor',
  ] as const) {
    for (const codec of ['lz4', 'zstd', 'none'] as const) {
      // Other bytes inside of a block that is not compressed may still be a list: nothing guards them but TCP.
      if (action === 'garbled-block' && codec === 'none') continue
      test(`an answer with ${action} (${codec}) is noticed`, async () => {
        await using emulator = await startEmulator()
        await using client = clientOf(emulator)
        put(emulator, 0, 30)
        for (const by of [1, -1]) {
          const rule: SlsFaultRule = { action, by, match: { operation: 'pullLogs' } }
          emulator.addFault(rule)
          await assert.rejects(
            async () => read(await pull(client, codec)),
            (error) => error instanceof DamagedAnswer || error instanceof RangeError,
          )
        }
        assert.equal(read(await pull(client, codec)), 30)
      })
    }
  }
})

suite('repeating', () => {
  const faults: SlsFaultRule[] = [
    { action: 'drop-request' },
    { action: 'drop-reply' },
    { action: 'short-body' },
    { action: 'gateway' },
    { action: 'error', status: 500, code: 'InternalServerError' },
    { action: 'error', status: 503, code: 'ServerBusy' },
    { action: 'error', status: 403, code: 'ReadQuotaExceed' },
    { action: 'error', status: 403, code: 'ShardReadQuotaExceed' },
    { action: 'error', status: 403, code: 'Read QPS Exceed' },
  ]
  for (const fault of faults) {
    test(`${fault.action} ${fault.code ?? ''} is got over`, async () => {
      await using emulator = await startEmulator()
      await using client = clientOf(emulator)
      put(emulator, 0, 5)
      emulator.addFault({ ...fault, match: { operation: 'pullLogs' } })
      assert.equal(read(await pull(client)), 5)
    })
  }

  test('gives up when the patience is used up, and says what came last', async () => {
    await using emulator = await startEmulator()
    await using client = clientOf(emulator, { patienceMs: 0 })
    emulator.addFault({ action: 'error', status: 503, code: 'ServerBusy', match: { times: 0 } })
    await assert.rejects(client.listShards(), {
      code: 'UNAVAILABLE',
      retry: 'restart',
      message: /^listing shards of SLS demo\/logs: SLS answered ServerBusy \(HTTP 503\).*request [0-9A-F]{24}/,
    })
  })

  test('a call that is aborted ends', async () => {
    await using emulator = await startEmulator()
    await using client = clientOf(emulator)
    emulator.addFault({ action: 'delay', ms: 5000 })
    const stop = new AbortController()
    const listing = client.listShards(stop.signal)
    stop.abort()
    await assert.rejects(listing, { name: 'AbortError' })
  })

  test('what no repetition helps against is not repeated', async () => {
    await using emulator = await startEmulator()
    await using client = clientOf(emulator)
    await assert.rejects(client.pullLogs({ shard: 0, cursor: '!', count: 1, codec: 'lz4' }), { code: 'CONFIG' })
    await assert.rejects(client.getCursor(9, 'begin'), { code: 'CONFIG', message: /ShardNotExist/ })
    assert.equal(emulator.requests().length, 2)
    await using other = clientOf(emulator, { logstore: 'other' })
    await assert.rejects(other.listShards(), { message: /LogStoreNotExist/ })
  })
})

suite('credentials and clocks', () => {
  test('a refused key is asked for anew once, and then it is an error without any secret', async () => {
    await using emulator = await startEmulator()
    let refreshed = 0
    const stale = { ...CREDENTIALS, accessKeySecret: new Secret('staleCanary') }
    const good = { current: async () => (refreshed > 0 ? CREDENTIALS : stale), refresh: async () => ++refreshed > 0 }
    await using client = clientOf(emulator, { credentials: good })
    assert.equal((await client.listShards()).length, 2)
    assert.equal(refreshed, 1)
    await using refused = clientOf(emulator, { credentials: { current: async () => stale, refresh: async () => true } })
    await assert.rejects(refused.listShards(), (error: Error) => {
      assert.doesNotMatch(JSON.stringify(error) + error.message + String(error.stack), /staleCanary/)
      assert.match(error.message, /SignatureNotMatch/)
      return true
    })
  })

  test('a temporary key is sent with its token, and the token is in no message', async () => {
    await using emulator = await startEmulator({ securityToken: 'token+canary==' })
    const securityToken = new Secret('token+canary==')
    await using client = clientOf(emulator, { credentials: fixedCredentials({ ...CREDENTIALS, securityToken }) })
    assert.equal((await client.listShards()).length, 2)
    const wrong = { accessKeyId: 'testAccessKeyId', accessKeySecret: new Secret('x'), securityToken }
    await using refused = clientOf(emulator, { credentials: fixedCredentials(wrong) })
    await assert.rejects(refused.listShards(), (error: Error) => {
      assert.doesNotMatch(error.message, /canary/)
      return true
    })
  })

  test('with a clock that is twenty minutes off, requests are signed by the service’s', async () => {
    const clock = new ManualClock()
    await using emulator = await startEmulator({ clock })
    await using client = clientOf(emulator, { now: () => clock.now() - 1_200_000, patienceMs: 0 })
    assert.equal((await client.listShards()).length, 2)
    assert.match(client.reports.join(), /differs from that of SLS by 1200 s/)
    assert.equal((await client.listShards()).length, 2)
    assert.equal(client.reports.length, 1)
  })
})

test('a consumer group is told, whether it was there or not', async () => {
  await using emulator = await startEmulator()
  await using client = clientOf(emulator)
  await client.ensureConsumerGroup('show')
  await client.ensureConsumerGroup('show')
  await client.setGroupCheckpoint('show', 1, 'MTI=')
  assert.equal(emulator.logstore('logs').groups.get('show')?.checkpoints.get(1)?.checkpoint, 'MTI=')
})

test('link-local and metadata addresses are never connected to', () => {
  for (const endpoint of ['http://169.254.169.254', 'http://100.100.100.200', 'http://[fe80::1]']) {
    const options = { project: 'p', logstore: 'l', credentials: fixedCredentials(CREDENTIALS), patienceMs: 0 }
    const rest = { report: () => undefined, random: () => 0, now: () => 0 }
    assert.throws(() => new SlsClient({ ...options, ...rest, endpoint }), { code: 'REDIRECT_DENIED' })
  }
})
