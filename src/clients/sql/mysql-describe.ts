import { textAt, type SqlSession } from './session.ts'
import type { TargetColumn, TargetTable, UniqueKey } from './target.ts'

/** What the server says about a table. `database` and `table` are SQL texts. */
export async function describeMysqlTable(
  session: SqlSession,
  database: string,
  table: string,
): Promise<TargetTable | undefined> {
  const where = `TABLE_SCHEMA = ${database} AND TABLE_NAME = ${table}`
  const columns = await session.query(
    'SELECT COLUMN_NAME, COLUMN_TYPE, IS_NULLABLE, COLUMN_DEFAULT, EXTRA, CHARACTER_SET_NAME, COLLATION_NAME ' +
      `FROM information_schema.COLUMNS WHERE ${where} ORDER BY ORDINAL_POSITION`,
    'reading the columns of the table',
  )
  if (columns.rows.length === 0) return undefined
  const engine = await session.query(
    `SELECT ENGINE FROM information_schema.TABLES WHERE ${where}`,
    'reading the engine of the table',
  )
  const name = textAt(engine.rows[0] ?? [], 0)
  return {
    columns: columns.rows.map(toColumn),
    uniqueKeys: await uniqueKeys(session, where),
    flaw: name === 'InnoDB' ? undefined : `its engine ${name} has no transactions`,
  }
}

function toColumn(row: readonly (string | Uint8Array | null)[]): TargetColumn {
  const [extra, charset, collation] = [textAt(row, 4), textAt(row, 5), textAt(row, 6)]
  const isNullable = textAt(row, 2) === 'YES'
  const isGenerated = /GENERATED|VIRTUAL|STORED|PERSISTENT/i.test(extra) && !/DEFAULT_GENERATED/i.test(extra)
  return {
    name: textAt(row, 0),
    type: textAt(row, 1),
    isNullable,
    isOptional:
      isNullable || row[3] !== null || isGenerated || /auto_increment|auto_random|DEFAULT_GENERATED/i.test(extra),
    isGenerated,
    isFolding: collation !== '' && !collation.endsWith('_bin') && collation !== 'binary',
    more: charset === '' ? '' : ` CHARACTER SET ${charset} COLLATE ${collation}`,
  }
}

async function uniqueKeys(session: SqlSession, where: string): Promise<UniqueKey[]> {
  const { rows } = await session.query(
    `SELECT INDEX_NAME, COLUMN_NAME FROM information_schema.STATISTICS WHERE ${where} AND NON_UNIQUE = 0 ` +
      'ORDER BY INDEX_NAME, SEQ_IN_INDEX',
    'reading the keys of the table',
  )
  const keys = new Map<string, string[]>()
  for (const row of rows) {
    const columns = keys.get(textAt(row, 0)) ?? []
    keys.set(textAt(row, 0), [...columns, textAt(row, 1)])
  }
  return [...keys].map(([name, columns]) => ({ name, columns, isPrimary: name === 'PRIMARY' }))
}
