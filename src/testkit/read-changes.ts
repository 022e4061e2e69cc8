import { ChangeCollector, type CollectedItem } from '../formats/changes/change-collector.ts'
import type { ChangeFormat } from '../formats/changes/change-format.ts'

export interface TestMessage {
  readonly key?: unknown
  /** Text is taken as it is; undefined is a tombstone. */
  readonly value: unknown
  readonly topic?: string
}

/** Reads messages as a source of several tables would, and shows what came of them: rows as text, changes by name. */
export function readChanges(format: ChangeFormat, messages: readonly TestMessage[]): string[] {
  const collector = new ChangeCollector({ separator: 0x0a, wants: () => true, tellsChanges: true })
  collector.begin(new Map())
  for (const message of messages) decodeInto(format, message, collector)
  return collector.take().flatMap(shown)
}

export function decodeInto(format: ChangeFormat, message: TestMessage, collector: ChangeCollector): void {
  // Something stands around a message in the buffers of a source.
  const value = Buffer.from(`x${textOf(message.value)}x`)
  const key = Buffer.from(`x${textOf(message.key)}x`)
  format.decode(
    {
      topic: message.topic ?? 't',
      buffer: value,
      from: 1,
      to: value.length - 1,
      isNull: message.value === undefined,
      keyBuffer: key,
      keyFrom: 1,
      keyTo: key.length - 1,
    },
    collector,
  )
}

function shown(item: CollectedItem): string[] {
  if (item.kind === 'rows') {
    const lines = item.rows.buffer.toString('utf8', 0, item.rows.length).trimEnd().split('\n')
    return item.partial === undefined ? lines : lines.map((line) => `${item.partial?.join()}: ${line}`)
  }
  const columns = item.table.columns.map(({ name, type, length }) => `${name} ${type}${length ? `[${length}]` : ''}`)
  const kinds = item.events.map(({ kind }) => kind).join('+')
  return [`${kinds} ${item.table.id}(${columns.join(', ')}) key ${item.table.key.join()}`]
}

function textOf(value: unknown): string {
  if (value === undefined) return ''
  return typeof value === 'string' ? value : JSON.stringify(value)
}
