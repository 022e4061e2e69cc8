import { warehouseMirror, type MirrorTarget } from './mirror-targets.ts'

const COLUMNS = [
  { name: 'id', type: 'BIGINT' },
  { name: 'seq', type: 'INT' },
  { name: 'price', type: 'DECIMAL(30,10)' },
  { name: 'at', type: 'DATETIME' },
  { name: 'word', type: 'VARCHAR(200)' },
] as const

/** A primary-key table of StarRocks that takes what one table of a database has. */
export function eventsMirror(): Promise<MirrorTarget> {
  return warehouseMirror({
    tables: [{ database: 'demo', table: 'events', model: 'primary', keys: ['id'], columns: COLUMNS }],
  })
}

export function eventsTable(): Map<string, string[]> {
  return new Map([['events', COLUMNS.map(({ name }) => name)]])
}
