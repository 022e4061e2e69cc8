import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { test } from 'node:test'
import { CommitProxy } from './commit-proxy.ts'

/** Answers each packet with itself, and keeps what it got. */
async function startEcho(): Promise<{ readonly port: number; readonly got: string[] } & AsyncDisposable> {
  const got: string[] = []
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.on('data', (bytes) => {
      got.push(bytes.toString())
      socket.write(bytes)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    got,
    [Symbol.asyncDispose]: async () => await new Promise((closed) => server.close(() => closed())),
  }
}

/** What comes back on a new connection; nothing when it breaks. */
async function ask({ address }: CommitProxy, text: string): Promise<string> {
  const socket: Socket = connect(Number(address.split(':')[1]), '127.0.0.1')
  socket.on('error', () => undefined)
  socket.write(text)
  let answer = ''
  socket.on('data', (bytes) => {
    answer += bytes.toString()
    if (answer === text) socket.end()
  })
  await once(socket, 'close')
  return answer
}

test('a COMMIT whose answer is lost was carried out, and the one after it is answered', async () => {
  await using server = await startEcho()
  await using proxy = await CommitProxy.open({ host: '127.0.0.1', port: server.port })
  const [commit, row] = ['\u0007\0\0\0\u0003COMMIT', `INSERT INTO t VALUES ('do not COMMIT')`]
  assert.equal(await ask(proxy, commit), commit, 'before it is told to')
  proxy.loseReplies()
  assert.equal(await ask(proxy, row), row)
  assert.equal(await ask(proxy, commit), '')
  assert.equal(await ask(proxy, commit), commit)
  assert.equal(await ask(proxy, 'Q\0\0\0\u000bCOMMIT\0'), '')
  assert.deepEqual([proxy.lost, server.got.length], [2, 5])
})
