import type { FeedFormat } from '../formats/ticdc/feed-format.ts'
import { FeedBuffer } from '../formats/ticdc/feed-buffer.ts'

export interface FeedMessage {
  readonly key?: Buffer
  readonly value: Buffer | string
}

/** Reads the messages of a feed of one partition, and shows what of it is complete: rows as text, events by name. */
export function readFeed(format: FeedFormat, messages: readonly FeedMessage[]): string[] {
  const buffer = new FeedBuffer(new Map([['p', 0n]]), 0n)
  const shown: string[] = []
  messages.forEach(({ key = Buffer.alloc(0), value }, at) => {
    const bytes = Buffer.from(value)
    const message = {
      topic: 't',
      buffer: Buffer.concat([Buffer.from('x'), bytes]),
      from: 1,
      to: bytes.length + 1,
      isNull: false,
      keyBuffer: Buffer.concat([Buffer.from('x'), key]),
      keyFrom: 1,
      keyTo: key.length + 1,
    }
    format.decode(message, {
      wants: () => true,
      row: (row) => buffer.add('p', BigInt(at), { kind: 'row', ...row }),
      event: (event) => buffer.add('p', BigInt(at), { kind: 'event', ...event }),
      hold: (commitTs, read) => buffer.hold({ partition: 'p', offset: BigInt(at), commitTs, read }),
      watermark: (watermark) => buffer.watermarked('p', watermark),
    })
    buffer.readTo('p', BigInt(at + 1))
    for (const { entries } of buffer.settle()) {
      for (const entry of entries) {
        const { id, columns, key: names } = entry.table
        const types = columns
          .map(({ name, type, length }) => `${name} ${type}${length ? `[${length}]` : ''}`)
          .join(', ')
        const what = entry.kind === 'row' ? entry.text.toString() : entry.event.kind
        shown.push(`${id}(${types}) key ${names.join()}: ${what}`)
      }
    }
  })
  return shown
}
