import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'

/** A stranger's port: remembers whatever reaches it. */
export interface Listener extends AsyncDisposable {
  readonly port: number
  readonly connections: () => number
  readonly received: () => string
}

export async function startListener(port = 0, host = '127.0.0.1'): Promise<Listener> {
  let connections = 0
  let received = ''
  const server = createServer((socket) => {
    connections += 1
    socket.on('data', (bytes) => (received += bytes.toString('latin1')))
    socket.on('error', () => undefined)
  })
  server.listen(port, host)
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    connections: () => connections,
    received: () => received,
    async [Symbol.asyncDispose]() {
      server.close()
    },
  }
}
