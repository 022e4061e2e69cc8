import type { FaultRule } from './faults.ts'
import type { EmulatorTable, RequestView, TransactionView } from './options.ts'
import { columnCodec } from './column-types.ts'
import { decodeRow } from './table.ts'

type TableView = EmulatorTable & { readonly rowCount: number }

/** The control API of an emulator in another process. Every method rejects with the server's words when refused. */
export class EmulatorControl {
  readonly #url: string

  constructor(controlUrl: string) {
    this.#url = controlUrl
  }

  tables(): Promise<readonly TableView[]> {
    return this.#call('GET', '/tables')
  }

  /** Visible rows with exact values: bigint for integers, text for decimals and dates. */
  async rows(database: string, table: string): Promise<Record<string, unknown>[]> {
    const definition = (await this.tables()).find((one) => one.database === database && one.table === table)
    const codecs = (definition?.columns ?? []).map((column) => columnCodec(column, 'starrocks'))
    const integers = codecs.filter((codec) => codec.kind === 'integer').map((codec) => codec.name)
    const rows: Record<string, unknown>[] = []
    for await (const line of this.rowLines(database, table)) rows.push(decodeRow(line, integers))
    return rows
  }

  /** Visible rows as JSON text, one at a time. */
  async *rowLines(database: string, table: string): AsyncGenerator<string> {
    const response = await fetch(`${this.#url}${tablePath(database, table)}/rows`)
    if (!response.ok) throw new Error(`reading rows of ${database}.${table}: ${await response.text()}`)
    const decoder = new TextDecoder()
    let rest = ''
    for await (const bytes of response.body ?? []) {
      const lines = (rest + decoder.decode(bytes, { stream: true })).split('\n')
      rest = lines.pop() ?? ''
      yield* lines
    }
    if (rest !== '') yield rest
  }

  async count(database: string, table: string): Promise<number> {
    const { count } = await this.#call<{ count: number }>('GET', `${tablePath(database, table)}/count`)
    return count
  }

  transactions(): Promise<readonly TransactionView[]> {
    return this.#call('GET', '/transactions')
  }

  requests(): Promise<readonly RequestView[]> {
    return this.#call('GET', '/requests')
  }

  async createTable(table: EmulatorTable): Promise<void> {
    await this.#call('PUT', tablePath(table.database, table.table), table)
  }

  async addFault(rule: FaultRule): Promise<string> {
    const { id } = await this.#call<{ id: string }>('POST', '/faults', rule)
    return id
  }

  async removeFault(id: string): Promise<void> {
    await this.#call('DELETE', `/faults/${id}`)
  }

  async restartFrontend(): Promise<void> {
    await this.#call('POST', '/restart-frontend')
  }

  async switchLeader(): Promise<void> {
    await this.#call('POST', '/switch-leader')
  }

  async restartBackend(index: number): Promise<void> {
    await this.#call('POST', `/restart-backend/${index}`)
  }

  async killBackend(index: number): Promise<void> {
    await this.#call('POST', `/kill-backend/${index}`)
  }

  /** Changes server settings while it runs, such as `publishDelayMs`. */
  async changeSettings(settings: Readonly<Record<string, unknown>>): Promise<void> {
    await this.#call('PATCH', '/settings', settings)
  }

  /** Only with a manual clock. */
  async advanceClock(seconds: number): Promise<void> {
    await this.#call('POST', '/clock', { advanceSeconds: seconds })
  }

  async #call<T>(method: string, path: string, body?: object): Promise<T> {
    const init = body === undefined ? { method } : { method, body: JSON.stringify(body) }
    const response = await fetch(`${this.#url}${path}`, init)
    if (!response.ok) throw new Error(`emulator control ${method} ${path}: ${response.status} ${await response.text()}`)
    return (await response.json()) as T
  }
}

function tablePath(database: string, table: string): string {
  return `/tables/${encodeURIComponent(database)}/${encodeURIComponent(table)}`
}
