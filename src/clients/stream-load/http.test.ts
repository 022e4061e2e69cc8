import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { GET, POST, PUT, errorOf, open, silent } from './testing/http-calls.ts'
import { endpointOf, ScriptedServer, type Visit } from './testing/scripted-server.ts'
import { mayHaveArrived } from './wire-error.ts'

test('a body goes out unchanged although its buffer is used again after every write', async () => {
  const hash = createHash('sha256')
  await using be = await ScriptedServer.start(async (visit) => {
    visit.proceed()
    hash.update(await visit.readBody())
    visit.reply('done')
  })
  await using http = open(endpointOf([be]))
  const body = await http.open(PUT)
  const expected = createHash('sha256')
  const buffer = Buffer.alloc(1 << 20)
  for (let round = 0; round < 8; round++) {
    buffer.fill(round)
    expected.update(buffer)
    await body.write(buffer)
  }
  await body.write(Buffer.alloc(0))
  assert.equal((await body.end()).body.toString(), 'done')
  assert.equal(hash.digest('hex'), expected.digest('hex'))
})

test('a server that reads nothing stops the writer, and silence ends the load', async () => {
  await using be = await ScriptedServer.start(async (visit) => {
    visit.proceed()
    visit.socket.pause()
    await new Promise((resolve) => visit.socket.once('close', resolve))
  })
  const timeouts = { connectMs: 2_000, continueMs: 2_000, idleMs: 300, totalMs: 5_000 }
  await using http = open(endpointOf([be], { timeouts }))
  const body = await http.open(PUT)
  const chunk = Buffer.alloc(1 << 20)
  let accepted = 0
  const error = await errorOf(
    (async () => {
      for (; accepted < 256; accepted++) await body.write(chunk)
    })(),
  )
  assert.equal(error.code, 'UNAVAILABLE')
  assert.ok(mayHaveArrived(error))
  // What the kernel's two buffers hold, not what we have.
  assert.ok(accepted < 64, `${accepted} MiB were accepted`)
})

test('a reply in the middle of the body is known at once and stops the writer', async () => {
  await using be = await ScriptedServer.start((visit) => {
    visit.proceed()
    visit.socket.pause()
    visit.reply({ Status: 'Fail', Message: 'too many filtered rows' }, 200, { Connection: 'close' })
  })
  await using http = open(endpointOf([be]))
  const body = await http.open(PUT)
  const error = await errorOf(
    (async () => {
      for (;;) await body.write(Buffer.alloc(1 << 20))
    })(),
  )
  assert.match(error.message, /replied before the end/)
  assert.match((await body.reply).body.toString(), /too many filtered rows/)
  assert.match((await body.end()).body.toString(), /too many filtered rows/)
})

test('a reply followed by a reset is not lost', async () => {
  const { promise, resolve } = Promise.withResolvers<Visit>()
  await using be = await ScriptedServer.start((visit) => {
    visit.proceed()
    visit.socket.pause()
    resolve(visit)
  })
  await using http = open(endpointOf([be]))
  const body = await http.open(PUT)
  await body.write(Buffer.alloc(1 << 19))
  // Within one turn of the event loop: the reply is in our kernel, the reset too (unread input makes it one), and the
  // next write fails if it is tried before the reply was read.
  const visit = await promise
  visit.reply('gave up', 200, { Connection: 'close' })
  visit.socket.destroy()
  await errorOf(
    (async () => {
      // A busy kernel delivers the reset later: then it takes a few writes.
      for (;;) await body.write(Buffer.alloc(1 << 18))
    })(),
  )
  assert.equal((await body.reply).body.toString(), 'gave up')
})

test('a final reply instead of 100 Continue means that no body is sent', async () => {
  await using be = await ScriptedServer.start((visit) => visit.reply({ Status: 'Fail', Message: 'no' }))
  await using http = open(endpointOf([be]))
  const body = await http.open(PUT)
  assert.equal(body.earlyReply?.status, 200)
  await errorOf(body.write(Buffer.from('row')))
  assert.match((await body.end()).body.toString(), /no/)
  assert.ok(!be.received.includes('row'))
})

test('a load that is abandoned never looks like a whole one', async () => {
  const { promise, resolve } = Promise.withResolvers<unknown>()
  await using be = await ScriptedServer.start(async (visit) => {
    visit.proceed()
    await visit.readBody().then(resolve, resolve)
  })
  await using http = open(endpointOf([be]))
  const body = await http.open(PUT)
  await body.write(Buffer.from('half a r'))
  body.destroy()
  assert.match(String(await promise), /ended in the middle/)
  await errorOf(body.reply)
})

test('a server that takes the whole body and never replies leaves the outcome open', async () => {
  await using be = await ScriptedServer.start(async (visit) => {
    visit.proceed()
    await visit.readBody()
  })
  const timeouts = { connectMs: 2_000, continueMs: 2_000, idleMs: 2_000, totalMs: 100 }
  await using http = open(endpointOf([be], { timeouts }))
  const body = await http.open(PUT)
  await body.write(Buffer.from('row'))
  assert.equal(mayHaveArrived(await errorOf(body.end())), true)
  await errorOf(body.reply)
})

test('closing the client ends what is under way', async () => {
  await using be = await ScriptedServer.start((visit) => visit.proceed())
  await using http = open(endpointOf([be]))
  const body = await http.open(PUT)
  http.close()
  assert.match((await errorOf(body.reply)).message, /the client was closed/)
  assert.match((await errorOf(http.call(POST))).message, /the client was closed/)
})

test('replies that are no replies leave the outcome open', async () => {
  const scripts: Readonly<Record<string, string>> = {
    'nothing at all': '',
    'half a head': 'HTTP/1.1 200 OK\r\nContent-Le',
    'half a body': 'HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{"Status":"OK"',
    'half a chunk': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n50\r\n{"Status"',
    'another protocol': '220 mail.example ESMTP\r\n\r\n',
  }
  for (const [name, text] of Object.entries(scripts)) {
    await using fe = await ScriptedServer.start((visit) => {
      visit.raw(text)
      visit.close()
    })
    await using http = open(endpointOf([fe]))
    const error = await errorOf(http.call(POST))
    assert.deepEqual([error.code, mayHaveArrived(error)], ['UNAVAILABLE', true], name)
    assert.equal(fe.seen.length, 1, `${name}: an unrepeatable call was repeated`)
  }
})

test('a server that drips its reply or says nothing is left after the limit', async () => {
  const timeouts = { connectMs: 2_000, continueMs: 150, idleMs: 2_000, totalMs: 150 }
  await using fe = await ScriptedServer.start(async (visit) => {
    if (visit.method !== 'POST') return
    visit.raw('HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n')
    while (visit.socket.writable) {
      visit.raw('x')
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  })
  await using http = open(endpointOf([fe], { timeouts }))
  assert.equal(mayHaveArrived(await errorOf(http.call(POST))), true)
  assert.equal(mayHaveArrived(await errorOf(http.open(PUT))), false)
})

test('another FE is asked when a repetition does no harm, and only then', async () => {
  await using broken = await ScriptedServer.start((visit) => visit.close('reset'))
  await using limping = await ScriptedServer.start((visit) => visit.reply('oops', 500))
  await using good = await ScriptedServer.start((visit) => visit.reply('good'))
  await using http = open(endpointOf([broken, limping, good]))
  assert.equal((await http.call(GET)).body.toString(), 'good')
  // It stays with the one that worked.
  await http.call(GET)
  assert.deepEqual([broken.seen.length, limping.seen.length, good.seen.length], [1, 1, 2])
  await using careful = open(endpointOf([broken, good]))
  assert.equal(mayHaveArrived(await errorOf(careful.call(POST))), true)
  assert.deepEqual([broken.seen.length, good.seen.length], [2, 2])
})

test('an FE that cannot be reached is passed over, also by calls that must not be repeated', async () => {
  const closed = await silent()
  const url = closed.url
  await closed[Symbol.asyncDispose]()
  await using good = await ScriptedServer.start((visit) => visit.reply('good'))
  await using http = open(endpointOf([], { urls: [url, good.url] }))
  assert.equal((await http.call(POST)).body.toString(), 'good')
  await using alone = open(endpointOf([], { urls: [url] }))
  const error = await errorOf(alone.call(POST))
  assert.deepEqual([error.code, error.retry, mayHaveArrived(error)], ['UNAVAILABLE', 'retry', false])
})

test('repeatable calls share a connection; unrepeatable ones never trust an old one', async () => {
  await using fe = await ScriptedServer.start((visit) => visit.reply('x'))
  await using http = open(endpointOf([fe]))
  for (let round = 0; round < 3; round++) await http.call(GET)
  assert.equal(fe.connections, 1)
  await http.call(POST)
  assert.equal(fe.connections, 2)
})

test('an idle connection that the server closed costs a new one, not an error', async () => {
  await using fe = await ScriptedServer.start((visit) => {
    visit.reply('x')
    if (visit.path === '/bye') visit.close()
  })
  await using http = open(endpointOf([fe]))
  for (let round = 0; round < 5; round++) {
    assert.equal((await http.call({ ...GET, path: '/bye' })).body.toString(), 'x')
    assert.equal((await http.call(GET)).body.toString(), 'x')
  }
})

test('bytes behind a reply are not taken for the next one', async () => {
  const injected = 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil'
  await using fe = await ScriptedServer.start((visit) => {
    visit.raw(`HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood${injected}`)
  })
  await using http = open(endpointOf([fe]))
  for (let round = 0; round < 3; round++) assert.equal((await http.call(GET)).body.toString(), 'good')
  assert.equal(fe.connections, 3)
})
