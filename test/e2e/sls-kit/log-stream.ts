import { countLogs, encodeLogGroup } from '../../../src/testkit/emulators/sls/log-group.ts'
import { SlsEmulator, type Logstore } from '../../../src/testkit/emulators/sls/index.ts'
import { rowText } from '../kit/rows.ts'

/** Logs of one group. */
const GROUP_ROWS = 20

/** The rows of `rowText` in a logstore: each part has a hash key and goes to the live shard that holds it. */
export class LogStream implements AsyncDisposable {
  readonly emulator: SlsEmulator
  /** Rows per part so far. */
  readonly counts: number[]
  /** Called before and after each append: what else happens to the logstore. */
  meanwhile: (() => void) | undefined

  private constructor(emulator: SlsEmulator, parts: number) {
    this.emulator = emulator
    this.counts = Array.from({ length: parts }, () => 0)
  }

  static async open({ parts, shards }: { readonly parts: number; readonly shards: number }): Promise<LogStream> {
    // Small answers, so that a checkpoint falls between them.
    const settings = { pullBytesMax: 20_000 }
    return new LogStream(await SlsEmulator.start({ logstores: [{ name: 'logs', shards }], settings }), parts)
  }

  get logstore(): Logstore {
    return this.emulator.logstore('logs')
  }

  /** The options of the source, without `schema`. */
  get options(): string {
    const { url, project } = this.emulator
    const key = 'accessKeyId: testAccessKeyId, accessKeySecret: testAccessKeySecret'
    return `connector: sls, endpoint: '${url}', project: ${project}, logstore: logs, ${key}, discoveryInterval: 500ms, rebalance: on-skew`
  }

  /** Appends so many rows to every part. */
  async append(rows: number): Promise<void> {
    for (let done = 0; done < rows; done += GROUP_ROWS) {
      this.counts.forEach((_, part) => this.#appendGroup(part, Math.min(GROUP_ROWS, rows - done)))
      if (done === 0) this.meanwhile?.()
    }
  }

  /** Appends so many rows to one part. */
  appendTo(part: number, rows: number): void {
    for (let done = 0; done < rows; done += GROUP_ROWS) this.#appendGroup(part, Math.min(GROUP_ROWS, rows - done))
  }

  /** The shard that takes a part's rows now. */
  shardOf(part: number): number {
    return this.logstore.shardFor(this.#keyOf(part)).id
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.emulator.close()
  }

  /** Parts are spread evenly over all keys. */
  #keyOf(part: number): string {
    const key = ((1n << 128n) * BigInt(2 * part + 1)) / BigInt(2 * this.counts.length)
    return key.toString(16).padStart(32, '0')
  }

  #appendGroup(part: number, rows: number): void {
    const first = this.counts[part] ?? 0
    const logs = Array.from({ length: rows }, (_, index) => {
      const row = JSON.parse(rowText(part, first + index)) as Readonly<Record<string, unknown>>
      const contents = Object.entries(row).map(([key, value]): [string, string] => [key, String(value)])
      return { time: Math.floor(Date.now() / 1000), contents }
    })
    const group = encodeLogGroup({ topic: `part ${part}`, logs })
    this.logstore.shard(this.shardOf(part)).append(group, countLogs(group), Math.floor(Date.now() / 1000))
    this.counts[part] = first + rows
  }
}
