import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { EmulatorControl } from './control-client.ts'
import { startEmulator, type EmulatorProcessOptions } from './main.ts'
import { send, sendFollowing } from './raw-http.ts'

interface Child extends AsyncDisposable {
  readonly urls: readonly string[]
  readonly controlUrl: string
}

async function startChild(options: EmulatorProcessOptions): Promise<Child> {
  const main = fileURLToPath(new URL('main.ts', import.meta.url))
  const child = spawn(process.execPath, [main, JSON.stringify(options)], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string]
  const places = JSON.parse(line) as Omit<Child, typeof Symbol.asyncDispose>
  return {
    ...places,
    [Symbol.asyncDispose]: async () => {
      const ended = once(child, 'exit')
      child.kill()
      await ended
    },
  }
}

test('another process can do everything through the control API', async () => {
  await using child = await startChild({ kind: 'doris', clock: 'manual' })
  const control = new EmulatorControl(child.controlUrl)
  const columns = [
    { name: 'id', type: 'BIGINT' },
    { name: 'amount', type: 'DECIMAL(10,2)' },
  ]
  await control.createTable({ database: 'shop', table: 'sales', model: 'duplicate', columns })
  const load = (label: string): ReturnType<typeof sendFollowing> =>
    sendFollowing(`${child.urls[0]}/api/shop/sales/_stream_load`, {
      method: 'PUT',
      headers: { label, expect: '100-continue', format: 'json' },
      body: '{"id":9223372036854775807,"amount":1.5}\n',
    })
  assert.equal((await load('L1')).json['Status'], 'Success')
  assert.deepEqual(await control.rows('shop', 'sales'), [{ id: 9223372036854775807n, amount: '1.50' }])
  assert.equal(await control.count('shop', 'sales'), 1)
  assert.deepEqual(
    (await control.transactions()).map(({ label, state }) => [label, state]),
    [['L1', 'VISIBLE']],
  )
  const [first] = await control.requests()
  assert.equal(first?.server, 'frontend-0')
  assert.equal(first?.headers['authorization'], '***')
  assert.equal(first?.status, 307)

  const fault = await control.addFault({ match: { operation: 'streamLoad', times: 0 }, action: 'drop-request' })
  await assert.rejects(load('L2'))
  await control.removeFault(fault)
  await control.changeSettings({ publishDelayMs: 5000, commitPublishWaitSecond: 0 })
  const pending = load('L3')
  // The reply waits for the publish; time has to move for either outcome.
  while (!(await control.transactions()).some(({ state }) => state === 'COMMITTED')) await control.advanceClock(0)
  await control.advanceClock(5)
  assert.match(String((await pending).json['Status']), /^(Publish Timeout|Success)$/)
  assert.equal(await control.count('shop', 'sales'), 2)
  await control.killBackend(0)
  await control.restartBackend(0)
  await control.restartFrontend()
  await control.switchLeader()
  assert.equal((await control.tables())[0]?.rowCount, 2)
})

test('the control API refuses what it cannot do', async () => {
  await using child = await startChild({ kind: 'starrocks' })
  const control = new EmulatorControl(child.controlUrl)
  await assert.rejects(control.advanceClock(1), /409.*not manual/)
  await assert.rejects(control.rows('no', 'table'), /no table no\.table/)
  assert.equal((await send(`${child.controlUrl}/nonsense`, { method: 'POST' })).status, 404)
})

test('an emulator of an unknown kind is refused by name', async () => {
  const options = { kind: 'oracle' } as unknown as EmulatorProcessOptions
  await assert.rejects(startEmulator(options), /kind is oracle, not starrocks or doris/)
})
