import { chmodSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { newControlAddress } from './control-address.ts'
import { parseRequest, REQUEST_BYTES_MAX, type ControlReply, type ControlRequest } from './control-protocol.ts'

/** What a running job offers to those who look at it from outside. Nothing here may wait for a client. */
export interface ControlTarget {
  status(): unknown
  /** In the text format of Prometheus. */
  metrics(): Promise<string>
  stop(): void
  /** Cuts a checkpoint now, where something was read; tells whether one is under way. */
  checkpoint(): boolean
  /** Shows up to `limit` records and calls `end`; the result closes the tap early. Throws why it cannot be opened. */
  tap(step: string, limit: number, show: (records: readonly string[]) => void, end: () => void): () => void
}

/** A client that does not read what it asked for is dropped when this much waits for it. */
const WAITING_BYTES_MAX = 16 * 1024 * 1024
const CLIENTS_MAX = 32
const SILENT_MS = 10_000

export interface ControlServer extends AsyncDisposable {
  close(): Promise<void>
}

/** Listens on the control socket of the pipeline whose state is in `directory`, in place of whoever listened before. */
export async function openControlServer(directory: string, target: ControlTarget): Promise<ControlServer> {
  const address = newControlAddress(directory)
  const clients = new Set<Socket>()
  const server = createServer((socket) => {
    clients.add(socket)
    socket.on('close', () => clients.delete(socket))
    serve(socket, target)
  })
  server.maxConnections = CLIENTS_MAX
  // The socket alone keeps no process alive.
  server.unref()
  await listen(server, address.bind)
  server.on('error', () => undefined)
  chmodSync(address.bind, 0o600)
  address.publish()
  const close = async (): Promise<void> => {
    for (const socket of clients) socket.destroySoon()
    const closed = new Promise((resolve) => server.close(resolve))
    const timer = setTimeout(() => clients.forEach((socket) => socket.destroy()), 200)
    await closed
    clearTimeout(timer)
    address.remove()
  }
  return { close, [Symbol.asyncDispose]: close }
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

function serve(socket: Socket, target: ControlTarget): void {
  let received = ''
  let closeTap: (() => void) | undefined
  const reply = (value: ControlReply): void => {
    if (socket.destroyed || !socket.writable) return
    socket.write(`${JSON.stringify(value)}\n`)
    if (socket.writableLength > WAITING_BYTES_MAX) socket.destroy()
  }
  const openTap = (step: string, limit: number): void => {
    closeTap?.()
    closeTap = target.tap(
      step,
      limit,
      (records) => reply({ records }),
      () => reply({ done: true, value: null }),
    )
  }
  socket.setEncoding('utf8')
  socket.setTimeout(SILENT_MS, () => socket.destroy())
  socket.on('error', () => undefined)
  socket.on('close', () => closeTap?.())
  socket.on('data', (text: string) => {
    received += text
    for (let end = received.indexOf('\n'); end >= 0; end = received.indexOf('\n')) {
      const line = received.slice(0, end)
      received = received.slice(end + 1)
      // Who has asked may wait: for records, or for the end of the job.
      socket.setTimeout(0)
      answer(line, target, reply, openTap)
    }
    if (received.length > REQUEST_BYTES_MAX) socket.destroy()
  })
}

function answer(
  line: string,
  target: ControlTarget,
  reply: (value: ControlReply) => void,
  openTap: (step: string, limit: number) => void,
): void {
  const refuse = (error: unknown): void =>
    reply({ done: true, refused: error instanceof Error ? error.message : String(error) })
  try {
    const request: ControlRequest = parseRequest(line)
    switch (request.do) {
      case 'status':
        return reply({ done: true, value: target.status() })
      case 'metrics':
        target.metrics().then((value) => reply({ done: true, value }), refuse)
        return
      case 'stop':
        target.stop()
        return reply({ done: true, value: null })
      case 'checkpoint':
        return reply({ done: true, value: { isUnderWay: target.checkpoint() } })
      case 'tap':
        return openTap(request.step, request.limit)
    }
  } catch (error) {
    refuse(error)
  }
}
