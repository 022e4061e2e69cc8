import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'

/** A packet that holds the statement and nothing else: COM_QUERY of MySQL, Query of PostgreSQL. */
const COMMIT = /COMMIT\0?$/
const COMMIT_BYTES_MAX = 24
/** Every second COMMIT, so that what is tried again comes through. */
const LOST_MAX = 3

/** Stands before a database server. When told, it lets COMMITs be carried out and breaks the connection in place of the answer. */
export class CommitProxy implements AsyncDisposable {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #left = 0
  #commits = 0
  #lost = 0

  private constructor(target: { readonly host: string; readonly port: number }) {
    this.#server = createServer((client) => this.#serve(client, connect(target)))
  }

  static async open(target: { readonly host: string; readonly port: number }): Promise<CommitProxy> {
    const proxy = new CommitProxy(target)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    return proxy
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** Answers that were lost so far. */
  get lost(): number {
    return this.#lost
  }

  loseReplies(): void {
    this.#left = LOST_MAX
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise((closed) => this.#server.close(closed))
  }

  #serve(client: Socket, server: Socket): void {
    const end = (): void => void (client.destroy(), server.destroy())
    for (const socket of [client, server]) {
      this.#sockets.add(socket)
      socket.on('error', end)
      socket.on('close', () => {
        this.#sockets.delete(socket)
        end()
      })
    }
    let isDoomed = false
    client.on('data', (bytes) => {
      isDoomed ||= this.#isChosen(bytes)
      pass(bytes, client, server)
    })
    server.on('data', (bytes) => {
      if (!isDoomed) return pass(bytes, server, client)
      this.#lost += 1
      end()
    })
  }

  #isChosen(bytes: Buffer | string): boolean {
    if (this.#left === 0 || bytes.length > COMMIT_BYTES_MAX || !COMMIT.test(bytes.toString())) return false
    this.#commits += 1
    if (this.#commits % 2 === 0) return false
    this.#left -= 1
    return true
  }
}

function pass(bytes: Buffer | string, from: Socket, to: Socket): void {
  if (to.write(bytes)) return
  from.pause()
  to.once('drain', () => from.resume())
}
