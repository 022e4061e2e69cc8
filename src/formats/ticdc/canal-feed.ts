import { CanalJson } from '../changes/canal-json.ts'
import { ChangeCollector } from '../changes/change-collector.ts'
import type { ChangeMessage } from '../changes/change-format.ts'
import { BadMessage, JsonMembers } from '../changes/json-members.ts'
import type { FeedFormat, FeedSink } from './feed-format.ts'

const LINE_FEED = 0x0a

/** TiCDC's canal-json with `enable-tidb-extension=true`, whose messages tell timestamps and watermarks. */
export class CanalFeed implements FeedFormat {
  readonly #canal = new CanalJson()
  readonly #members = new JsonMembers()
  #wants: FeedSink['wants'] = () => true
  readonly #collector = new ChangeCollector({
    separator: LINE_FEED,
    wants: (table) => this.#wants(table),
    tellsChanges: false,
    tellsEvents: true,
  })

  decode(message: ChangeMessage, out: FeedSink): void {
    if (message.isNull || message.from === message.to) return
    const { commitTs, watermarkTs } = this.#timestamps(message)
    if (watermarkTs !== undefined) return out.watermark(watermarkTs)
    if (commitTs === undefined) {
      throw new BadMessage(
        'it has no `_tidb` with a timestamp: set enable-tidb-extension=true in the sink URI of the changefeed',
      )
    }
    this.#wants = (table) => out.wants(table)
    this.#collector.begin(new Map())
    this.#canal.decode(message, this.#collector)
    for (const item of this.#collector.take()) {
      const { table } = item
      if (item.kind === 'change') {
        for (const event of item.events) out.event({ commitTs, table, event })
        continue
      }
      const { buffer, length } = item.rows
      for (let from = 0; from < length;) {
        const to = buffer.indexOf(LINE_FEED, from)
        const text = Buffer.from(buffer.subarray(from, to))
        // `…,"__op":1}`
        out.row({ commitTs, table, isDelete: text[text.length - 2] === 0x31, text })
        from = to + 1
      }
      this.#collector.release(item.rows)
    }
  }

  #timestamps({ buffer, from, to }: ChangeMessage): { commitTs?: bigint; watermarkTs?: bigint } {
    const members = this.#members
    members.open(buffer, from, to)
    let range: { from: number; to: number } | undefined
    while (members.next())
      if (members.key === '_tidb' && members.isObject) range = { from: members.from, to: members.to }
    const found: { commitTs?: bigint; watermarkTs?: bigint } = {}
    if (range === undefined) return found
    members.open(buffer, range.from, range.to)
    while (members.next()) {
      if (members.key === 'commitTs') found.commitTs = BigInt(members.text)
      if (members.key === 'watermarkTs') found.watermarkTs = BigInt(members.text)
    }
    return found
  }
}
