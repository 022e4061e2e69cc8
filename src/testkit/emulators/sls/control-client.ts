import { encodeLogGroupList, type PlainLogGroup } from './log-group.ts'
import type { SlsFaultRule } from './faults.ts'
import type { SlsRequestView } from './index.ts'
import type { SlsCredentials, SlsSettings } from './settings.ts'

export interface ShardView {
  readonly id: number
  readonly status: 'readwrite' | 'readonly'
  /** Positions, as digits. */
  readonly begin: string
  readonly end: string
  readonly beginKey: string
  readonly endKey: string
  readonly groups: number
  readonly logs: number
}

export interface LogstoreView {
  readonly name: string
  readonly ttlDays: number
  readonly shards: readonly ShardView[]
}

/** The control API of an emulator in another process. Every method rejects with the server's words when refused. */
export class SlsControl {
  readonly #url: string

  constructor(controlUrl: string) {
    this.#url = controlUrl
  }

  /** An old one of this name is replaced. */
  createLogstore(
    name: string,
    options: { readonly shards?: number; readonly ttlDays?: number } = {},
  ): Promise<LogstoreView> {
    return this.#call('PUT', `/logstores/${name}`, options)
  }

  logstore(name: string): Promise<LogstoreView> {
    return this.#call('GET', `/logstores/${name}`)
  }

  /** Appends groups to a shard, whatever its status. */
  async append(logstore: string, shard: number, groups: readonly PlainLogGroup[]): Promise<void> {
    await this.#call('POST', `/logstores/${logstore}/shards/${shard}/groups`, { groups })
  }

  /** The same for groups that are encoded already. */
  async appendRaw(logstore: string, shard: number, groups: readonly Uint8Array[]): Promise<void> {
    await this.#call('POST', `/logstores/${logstore}/shards/${shard}/raw`, encodeLogGroupList(groups))
  }

  split(logstore: string, shard: number): Promise<LogstoreView> {
    return this.#call('POST', `/logstores/${logstore}/shards/${shard}/split`)
  }

  merge(logstore: string, shard: number): Promise<LogstoreView> {
    return this.#call('POST', `/logstores/${logstore}/shards/${shard}/merge`)
  }

  /** The oldest groups of the shard go. */
  expire(logstore: string, shard: number, groups: number): Promise<LogstoreView> {
    return this.#call('POST', `/logstores/${logstore}/shards/${shard}/expire`, { groups })
  }

  /** The newest groups of the shard go. */
  rollBack(logstore: string, shard: number, groups: number): Promise<LogstoreView> {
    return this.#call('POST', `/logstores/${logstore}/shards/${shard}/rollback`, { groups })
  }

  drop(logstore: string, shard: number): Promise<LogstoreView> {
    return this.#call('POST', `/logstores/${logstore}/shards/${shard}/drop`)
  }

  /** What consumer groups were told. */
  checkpoints(
    logstore: string,
  ): Promise<readonly { readonly group: string; readonly shard: number; readonly checkpoint: string }[]> {
    return this.#call('GET', `/logstores/${logstore}/checkpoints`)
  }

  async addFault(rule: SlsFaultRule): Promise<string> {
    const { id } = await this.#call<{ id: string }>('POST', '/faults', rule)
    return id
  }

  async removeFault(id: string): Promise<void> {
    await this.#call('DELETE', `/faults/${id}`)
  }

  async changeSettings(settings: Partial<SlsSettings>): Promise<void> {
    await this.#call('PATCH', '/settings', settings)
  }

  async setCredentials(credentials: readonly SlsCredentials[]): Promise<void> {
    await this.#call('PUT', '/credentials', { credentials })
  }

  requests(): Promise<readonly SlsRequestView[]> {
    return this.#call('GET', '/requests')
  }

  async #call<T>(method: string, path: string, body?: object): Promise<T> {
    const payload = body === undefined ? {} : { body: body instanceof Uint8Array ? body : JSON.stringify(body) }
    const response = await fetch(`${this.#url}${path}`, { method, ...payload })
    if (!response.ok) throw new Error(`emulator control ${method} ${path}: ${response.status} ${await response.text()}`)
    return (await response.json()) as T
  }
}
