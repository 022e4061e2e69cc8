import { tableId, type SourceTable } from '../../core/changes.ts'
import { MillraceError } from '../../core/errors.ts'
import type { LogTables } from './log-tables.ts'
import { isShadowSwap, type StatementEffect, type TableName } from './statement.ts'

/** What a statement does to tables that are read. */
export interface StatementHits {
  /** Truncated or dropped. */
  readonly emptied: readonly SourceTable[]
  /** The table whose columns get other names. */
  readonly renamed: string
}

const NONE: StatementHits = { emptied: [], renamed: '' }

/** Throws where rows of a table come or go in a way that no event tells, or that the sink cannot follow. */
export function assertStatement(effect: StatementEffect, tables: LogTables, hasTables: boolean): StatementHits {
  const isRead = ({ database, name }: TableName): boolean => tables.wants(database, name)
  switch (effect.kind) {
    case 'none':
      return NONE
    case 'rows':
      if (isRead(effect.table))
        throw refused(effect.table, 'a session logs statements, not rows: set binlog_format = ROW')
      return NONE
    case 'partition':
      if (isRead(effect.table)) throw refused(effect.table, `rows came or went with a whole partition. ${ANEW}`)
      return NONE
    case 'rename-column':
      return { emptied: [], renamed: isRead(effect.table) ? idOf(effect.table) : '' }
    case 'rename':
      for (const { from, to } of effect.pairs) {
        for (const table of [from, to].filter(isRead)) {
          if (!isShadowSwap(effect.pairs, table)) throw refused(table, `a table was renamed from or to it. ${ANEW}`)
        }
      }
      return NONE
    case 'drop-database':
      throwIfAny(tables, effect.database)
      return NONE
    case 'truncate':
    case 'drop': {
      const hit = effect.tables.filter(isRead)
      const [first] = hit
      if (first === undefined) return NONE
      const word = effect.kind === 'truncate' ? 'emptied by TRUNCATE' : 'dropped'
      if (!hasTables) throw refused(first, `it was ${word}, and the sink cannot be told. ${ANEW}`)
      return { emptied: hit.map((table) => tables.shapeOf(idOf(table), table.database, table.name)), renamed: '' }
    }
  }
}

const ANEW = 'Empty the sink’s table and begin anew under another pipeline name'

function throwIfAny(tables: LogTables, database: string): void {
  const prefix = tableId(database, '')
  const [hit] = Object.keys(tables.shapes).filter((id) => id.startsWith(prefix))
  if (hit !== undefined)
    throw refused({ database, name: hit.slice(prefix.length) }, `its database was dropped. ${ANEW}`)
}

function idOf({ database, name }: TableName): string {
  return tableId(database, name)
}

function refused(table: TableName, why: string): MillraceError {
  return new MillraceError(`reading changes of ${table.database}.${table.name}: ${why}`, {
    code: 'SCHEMA',
    detail: { table: idOf(table) },
  })
}
