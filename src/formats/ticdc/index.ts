/**
 * Feeds of TiCDC: every change at least once, in partitions that go ahead each in its own time, with watermarks that say how
 * far each is complete.
 */
import type { FeedFormatName } from '../changes/names.ts'
import { CanalFeed } from './canal-feed.ts'
import type { FeedFormat } from './feed-format.ts'
import { OpenProtocol } from './open-protocol.ts'
import { SimpleProtocol } from './simple-protocol.ts'

export { FeedBuffer, type SettledTable } from './feed-buffer.ts'
export type { FeedFormat, FeedSink } from './feed-format.ts'

export function openFeedFormat(name: FeedFormatName): FeedFormat {
  switch (name) {
    case 'ticdc-canal-json':
      return new CanalFeed()
    case 'ticdc-open-protocol':
      return new OpenProtocol()
    case 'ticdc-simple':
      return new SimpleProtocol()
  }
}
