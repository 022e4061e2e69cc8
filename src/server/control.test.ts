import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, lstatSync, mkdirSync } from 'node:fs'
import { mkdtempDisposable } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { findControlAddress } from './control-address.ts'
import { ControlClient } from './control-client.ts'
import { openControlServer, type ControlTarget } from './control-server.ts'

class Target implements ControlTarget {
  readonly name: string
  stops = 0
  closedTaps = 0
  show: (records: readonly string[]) => void = () => undefined
  end: () => void = () => undefined
  tapped: Promise<void>
  readonly #tapped = Promise.withResolvers<void>()

  constructor(name = 'target') {
    this.name = name
    this.tapped = this.#tapped.promise
  }

  status(): unknown {
    return { name: this.name }
  }

  async metrics(): Promise<string> {
    return 'up 1\n'
  }

  stop(): void {
    this.stops += 1
  }

  checkpoint(): boolean {
    return this.stops === 0
  }

  tap(step: string, _limit: number, show: (records: readonly string[]) => void, end: () => void): () => void {
    if (step !== 'rows') throw new Error(`there is no step "${step}"`)
    this.show = show
    this.end = end
    this.#tapped.resolve()
    return () => void this.closedTaps++
  }
}

function temporary(): ReturnType<typeof mkdtempDisposable> {
  return mkdtempDisposable(join(tmpdir(), 'millrace-control-test-'))
}

async function clientOf(directory: string): Promise<ControlClient> {
  const client = await ControlClient.open(directory)
  assert.ok(client !== undefined, 'somebody listens')
  return client
}

test('status, metrics and stop are answered, and only the owner may open the socket', async () => {
  await using directory = await temporary()
  const target = new Target()
  await using _server = await openControlServer(directory.path, target)
  assert.equal(lstatSync(join(directory.path, 'control.sock')).mode & 0o777, 0o600)
  using client = await clientOf(directory.path)
  assert.deepEqual(await client.ask({ do: 'status' }), { name: 'target' })
  assert.equal(await client.ask({ do: 'metrics' }), 'up 1\n')
  await client.ask({ do: 'stop' })
  assert.equal(target.stops, 1)
})

test('a tap shows records until its end, and is closed with its client', async () => {
  await using directory = await temporary()
  const target = new Target()
  await using _server = await openControlServer(directory.path, target)
  const seen: string[] = []
  {
    using client = await clientOf(directory.path)
    const reading = (async () => {
      for await (const record of client.tap('rows', 3)) seen.push(record)
    })()
    await target.tapped
    target.show(['{"a":1}', '{"a":2}'])
    target.show(['{"a":3}'])
    target.end()
    await reading
    assert.equal(target.closedTaps, 0)
    await assert.rejects(client.tap('nothing', 1).next(), /refuses: there is no step "nothing"/)
  }
  assert.deepEqual(seen, ['{"a":1}', '{"a":2}', '{"a":3}'])
  while (target.closedTaps === 0) await new Promise((resolve) => setImmediate(resolve))
})

test('a client that is closed while it waits is not left waiting', async () => {
  await using directory = await temporary()
  const target = new Target()
  await using _server = await openControlServer(directory.path, target)
  const client = await clientOf(directory.path)
  const waiting = client.tap('rows', 1).next()
  await target.tapped
  client[Symbol.dispose]()
  await assert.rejects(waiting, /did not answer/)
})

test('a client that does not read is dropped, and nobody waits for it', async () => {
  await using directory = await temporary()
  const target = new Target()
  await using _server = await openControlServer(directory.path, target)
  const socket = await raw(directory.path, '{"do":"tap","step":"rows","limit":1000}\n')
  socket.pause()
  await target.tapped
  const records = Array.from({ length: 1000 }, () => 'x'.repeat(4096))
  for (let shown = 0; shown < 10; shown++) target.show(records)
  while (target.closedTaps === 0) await new Promise((resolve) => setImmediate(resolve))
  socket.destroy()
})

test('what is no request is refused with the reason, and a line without end ends the connection', async () => {
  await using directory = await temporary()
  await using _server = await openControlServer(directory.path, new Target())
  for (const [line, why] of [
    ['nonsense', /JSON/],
    ['{"do":"format"}', /has to be status/],
    ['null', /has to be status/],
    ['{"do":"tap","step":1,"limit":1}', /"step"/],
    ['{"do":"tap","step":"rows","limit":1e9}', /"limit"/],
  ] as const) {
    const socket = await raw(directory.path, `${line}\n`)
    const [reply] = (await once(socket.setEncoding('utf8'), 'data')) as [string]
    assert.match((JSON.parse(reply) as { refused: string }).refused, why)
    socket.destroy()
  }
  const socket = await raw(directory.path, 'x'.repeat(100_000))
  socket.on('error', () => undefined).resume()
  await once(socket, 'close')
})

test('a socket of a killed process is replaced, and one of a successor is left alone', async () => {
  await using directory = await temporary()
  const place = join(directory.path, 'control.sock')
  const script = `require('net').createServer().listen(${JSON.stringify(place)}, () => process.kill(process.pid, 'SIGKILL'))`
  assert.equal(spawnSync(process.execPath, ['-e', script]).signal, 'SIGKILL')
  assert.ok(lstatSync(place).isSocket())
  assert.equal(await ControlClient.open(directory.path), undefined, 'nobody listens on it')

  const first = await openControlServer(directory.path, new Target('first'))
  await using _second = await openControlServer(directory.path, new Target('second'))
  await first.close()
  using client = await clientOf(directory.path)
  assert.deepEqual(await client.ask({ do: 'status' }), { name: 'second' })
})

test('a state directory with a long name is reached through a private short one, which goes away', async () => {
  await using directory = await temporary()
  const long = join(directory.path, 'x'.repeat(120), 'state')
  mkdirSync(long, { recursive: true })
  const server = await openControlServer(long, new Target('first'))
  const address = findControlAddress(long) ?? ''
  assert.ok(address.length < 104 && !address.startsWith(long))
  assert.equal(lstatSync(dirname(address)).mode & 0o777, 0o700)
  assert.equal(lstatSync(address).mode & 0o777, 0o600)
  const second = await openControlServer(long, new Target('second'))
  await server.close()
  {
    using client = await clientOf(long)
    assert.deepEqual(await client.ask({ do: 'status' }), { name: 'second' })
  }
  const short = dirname(findControlAddress(long) ?? '')
  await second.close()
  assert.ok(!existsSync(short) && !existsSync(dirname(address)))
  assert.equal(await ControlClient.open(long), undefined)
})

async function raw(directory: string, text: string): Promise<Socket> {
  const socket = connect(join(directory, 'control.sock'))
  await once(socket, 'connect')
  socket.write(text)
  return socket
}
