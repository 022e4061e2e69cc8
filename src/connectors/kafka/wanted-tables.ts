import { tableId, type TableId } from '../../core/changes.ts'
import { BadMessage } from '../../formats/changes/index.ts'
import type { KafkaSourceOptions } from './options.ts'

/** Several tables by their patterns; otherwise the one that is named, or the only one that there is. */
export function wantedBy({
  tables,
  table,
}: KafkaSourceOptions): (found: { database: string; name: string; id: TableId }) => boolean {
  if (tables !== undefined) {
    const patterns = tables.map((pattern) => new RegExp(`^(?:${pattern})$`, 'u'))
    return ({ database, name }) => patterns.some((pattern) => pattern.test(`${database}.${name}`))
  }
  let only: TableId | undefined
  return ({ database, name, id }) => {
    if (table !== undefined) return table === `${database}.${name}` || table === tableId(database, name)
    only ??= id
    if (only === id) return true
    throw new BadMessage(
      `it belongs to ${id}, and those before to ${only}: name one as \`table\`, or several as \`tables\``,
    )
  }
}
