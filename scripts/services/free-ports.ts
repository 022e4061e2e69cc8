import { createServer, type Server } from 'node:net'

/**
 * Below the ports that Linux gives to outgoing connections (32768 and above): a server that is still starting, or is started
 * again on its port, must not find that a client of somebody else sits there.
 */
const FIRST = 15_000
const LAST = 32_000

/** Ports of loopback that nobody listens on now; held open together so that they differ. */
export async function freePorts(count: number): Promise<number[]> {
  const held: Server[] = []
  const ports: number[] = []
  while (ports.length < count) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST))
    const server = await listen(port)
    if (server === undefined) continue
    held.push(server)
    ports.push(port)
  }
  await Promise.all(held.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}

async function listen(port: number): Promise<Server | undefined> {
  const server = createServer()
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' || error.code === 'EACCES' ? resolve(undefined) : reject(error),
    )
    server.listen(port, '127.0.0.1', () => resolve(server))
  })
}
