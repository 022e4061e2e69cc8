import { MysqlConnection, type MysqlAddress, type MysqlResult, type MysqlSession } from './connection.ts'

/** A few connections that are opened when they are needed and used again. Waiters are served in their order. */
export class MysqlPool implements AsyncDisposable {
  readonly #address: MysqlAddress
  readonly #session: MysqlSession
  readonly #limit: number
  readonly #idle: MysqlConnection[] = []
  readonly #waiting: (() => void)[] = []
  #open = 0
  #isClosed = false

  constructor(address: MysqlAddress, limit: number, session: MysqlSession = {}) {
    this.#address = address
    this.#limit = limit
    this.#session = session
  }

  /** Runs `work` with a connection of its own. One that failed in it is not used again. */
  async use<T>(work: (connection: MysqlConnection) => Promise<T>): Promise<T> {
    while (this.#idle.length === 0 && this.#open >= this.#limit) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
    const connection = await this.#take()
    try {
      const result = await work(connection)
      this.#giveBack(connection)
      return result
    } catch (thrown) {
      connection.destroy()
      this.#open--
      throw thrown
    } finally {
      this.#waiting.shift()?.()
    }
  }

  query(sql: string, doing?: string): Promise<MysqlResult> {
    return this.use((connection) => connection.query(sql, doing))
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await Promise.all(this.#idle.splice(0).map((connection) => connection.close()))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #take(): Promise<MysqlConnection> {
    const idle = this.#idle.pop()
    if (idle?.isUsable === true) return idle
    if (idle === undefined) this.#open++
    try {
      return await MysqlConnection.open(this.#address, this.#session)
    } catch (thrown) {
      this.#open--
      throw thrown
    }
  }

  #giveBack(connection: MysqlConnection): void {
    if (this.#isClosed) void connection.close()
    else this.#idle.push(connection)
  }
}
