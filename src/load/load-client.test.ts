import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { startDorisEmulator } from '../testkit/emulators/doris/index.ts'
import { startStarRocksEmulator } from '../testkit/emulators/starrocks/index.ts'
import type { FaultRule } from '../testkit/emulators/faults.ts'
import { BufferedLoader, Doris, JsonNumber, Secret } from './doris.ts'
import type { LoadClient, LoadResult } from './load-client.ts'
import type { LoadInput } from './load-input.ts'
import { StarRocks } from './starrocks.ts'

const COLUMNS = [
  { name: 'id', type: 'BIGINT' },
  { name: 'amount', type: 'DECIMAL(20,4)' },
]

interface Rig extends AsyncDisposable {
  readonly client: LoadClient
  ids(): string[]
  addFault(rule: FaultRule): void
}

async function open(system: 'starrocks' | 'doris'): Promise<Rig> {
  const start = system === 'starrocks' ? startStarRocksEmulator : startDorisEmulator
  const tables = [{ database: 'shop', table: 'sales', columns: COLUMNS, model: 'duplicate' as const }]
  const emulator = await start({ password: 'canary', tables })
  const options = {
    urls: emulator.urls,
    backends: emulator.backends,
    database: 'shop',
    username: 'root',
    password: new Secret('canary'),
    allowPlaintext: false,
  }
  const client = system === 'starrocks' ? new StarRocks(options) : new Doris(options)
  return {
    client,
    ids: () => emulator.rows('shop', 'sales').map((row) => String(row['id'])),
    addFault: (rule) => void emulator.addFault(rule),
    [Symbol.asyncDispose]: async () => {
      await client[Symbol.asyncDispose]()
      await emulator[Symbol.asyncDispose]()
    },
  }
}

for (const system of ['starrocks', 'doris'] as const) {
  describe(`the load client of ${system}`, () => {
    test('objects, lines, CSV and streams become rows, with exact numbers', async () => {
      await using rig = await open(system)
      const inputs: readonly LoadInput[] = [
        {
          rows: [
            { id: 2n ** 60n, amount: new JsonNumber('1234567890123456.7890') },
            { id: 2, amount: 1.5 },
          ],
        },
        { ndjson: '{"id":3,"amount":1}\n\n{"id":4,"amount":2}\n' },
        { csv: '5;1.5\n6;2.5\n', columnSeparator: ';' },
        { stream: chunks('[{"id":7,"amo', 'unt":1}]'), format: 'json' },
      ]
      const loaded: (number | undefined)[] = []
      for (const input of inputs) {
        const result = await rig.client.load(input, { table: 'sales' })
        assert.deepEqual([result.attempts, result.wasLoadedBefore, result.filteredRows], [1, false, 0])
        loaded.push(result.loadedRows)
      }
      assert.deepEqual(loaded, [2, 2, 2, 1])
      assert.deepEqual(rig.ids().sort(), ['1152921504606846976', '2', '3', '4', '5', '6', '7'])
    })

    test('whatever gets lost on the way, rows are there once', async () => {
      for (const action of ['drop-request', 'drop-reply', 'garble'] as const) {
        await using rig = await open(system)
        rig.addFault({ match: { operation: 'streamLoad', server: 'backend' }, action })
        const result = await rig.client.load({ rows: [{ id: 1 }, { id: 2 }] }, { table: 'sales' })
        // A request that did not arrive goes to the next server at once.
        assert.equal(result.attempts, action === 'drop-request' ? 1 : 2, action)
        assert.equal(result.wasLoadedBefore, action !== 'drop-request', action)
        assert.deepEqual(rig.ids().sort(), ['1', '2'], action)
      }
    })

    test('a label is taken once, and what is refused is told with the reason', async () => {
      await using rig = await open(system)
      const [at, rows] = [{ table: 'sales', label: 'once' }, [{ id: 1 }]]
      assert.equal((await rig.client.load({ rows }, at)).wasLoadedBefore, false)
      assert.equal((await rig.client.load({ rows }, at)).wasLoadedBefore, true)
      assert.deepEqual(rig.ids(), ['1'])
      await assert.rejects(rig.client.load({ rows: [{ id: 'secret' }] }, { table: 'sales' }), (error: Error) => {
        assert.match(JSON.stringify(error), /POISON/)
        assert.doesNotMatch(error.message, /secret|canary/)
        return true
      })
      await assert.rejects(rig.client.load({ rows }, { table: 'missing' }), { code: 'SCHEMA' })
      await assert.rejects(rig.client.load({ rows: [] }, at), { code: 'CONFIG' })
    })
  })
}

test('rows are gathered into few loads, by count, by bytes and by time', async () => {
  const loads: number[] = []
  const client = { load: async (input: LoadInput): Promise<LoadResult> => (loads.push(linesOf(input)), RESULT) }
  await using byCount = new BufferedLoader(client, { table: 't', rows: 10, waitMs: 60_000 })
  for (let id = 0; id < 25; id++) await byCount.add({ id })
  await byCount.flush()
  assert.deepEqual(loads.splice(0), [10, 10, 5])
  assert.deepEqual([byCount.statistics.rows, byCount.statistics.loads, byCount.statistics.successRate], [25, 3, 1])
  await using byBytes = new BufferedLoader(client, { table: 't', bytes: 30, waitMs: 60_000 })
  for (let id = 0; id < 6; id++) await byBytes.add({ id: 1000 + id })
  await byBytes.flush()
  assert.deepEqual(loads.splice(0), [3, 3])
  const { promise, resolve } = Promise.withResolvers<void>()
  await using byTime = new BufferedLoader(client, { table: 't', waitMs: 1, onLoaded: () => resolve() })
  await byTime.add({ id: 1 })
  await promise
  assert.deepEqual(loads, [1])
})

test('a load that fails is told once, and counted', async () => {
  const client = { load: () => Promise.reject(new Error('no server')) }
  const loader = new BufferedLoader(client, { table: 't' })
  await loader.add({ id: 1 })
  await assert.rejects(loader.flush(), /no server/)
  assert.deepEqual([loader.statistics.failedRows, loader.statistics.successRate], [1, 0])
  const told: number[] = []
  await using watched = new BufferedLoader(client, { table: 't', onError: (_error, rows) => told.push(rows) })
  await watched.add({ id: 1 })
  await watched.flush()
  assert.deepEqual(told, [1])
})

test('the environment names the server', () => {
  assert.throws(() => StarRocks.fromEnvironment({}), /MILLRACE_STARROCKS_URL/)
  assert.ok(
    Doris.fromEnvironment({ MILLRACE_DORIS_URL: 'http://localhost:8030', MILLRACE_DORIS_DATABASE: 'd' }) instanceof
      Doris,
  )
})

const RESULT: LoadResult = {
  label: 'l',
  wasLoadedBefore: false,
  loadedRows: 1,
  filteredRows: 0,
  unselectedRows: 0,
  bytes: 1,
  isVisible: true,
  attempts: 1,
  timing: { openMs: 0, sendMs: 0, answerMs: 0 },
}

function linesOf(input: LoadInput): number {
  return 'ndjson' in input ? String(input.ndjson).split('\n').length : 0
}

async function* chunks(...texts: readonly string[]): AsyncGenerator<Buffer> {
  for (const text of texts) yield Buffer.from(text)
}
