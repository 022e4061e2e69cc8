import { textAt, type SqlSession } from './session.ts'
import type { TargetTable, UniqueKey } from './target.ts'

/** What the server says about a table. `table` is an SQL text that holds the quoted, qualified name. */
export async function describePostgresTable(session: SqlSession, table: string): Promise<TargetTable | undefined> {
  const oid = `to_regclass(${table})`
  const columns = await session.query(
    'SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.atthasdef, a.attidentity, a.attgenerated, ' +
      "c.collname, coalesce(c.collisdeterministic, true) FROM pg_attribute a LEFT JOIN pg_collation c ON c.oid = a.attcollation AND c.collname <> 'default' " +
      `WHERE a.attrelid = ${oid} AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`,
    'reading the columns of the table',
  )
  if (columns.rows.length === 0) return undefined
  const kind = await session.query(
    `SELECT relkind, relpersistence FROM pg_class WHERE oid = ${oid}`,
    'reading the kind of the table',
  )
  const [relkind, persistence] = [textAt(kind.rows[0] ?? [], 0), textAt(kind.rows[0] ?? [], 1)]
  return {
    columns: columns.rows.map((row) => {
      const isNullable = textAt(row, 2) !== 't'
      return {
        name: textAt(row, 0),
        type: textAt(row, 1),
        isNullable,
        isOptional: isNullable || textAt(row, 3) === 't' || textAt(row, 4) !== '',
        isGenerated: textAt(row, 5) !== '' || textAt(row, 4) === 'a',
        isFolding: textAt(row, 7) === 'f',
        more: '',
      }
    }),
    uniqueKeys: await uniqueKeys(session, oid),
    flaw:
      relkind !== 'r' && relkind !== 'p'
        ? 'it is no table'
        : persistence === 'u'
          ? 'it is unlogged: a crash of the server empties it'
          : undefined,
  }
}

/** Partial and expression indexes are no keys for ON CONFLICT on columns. */
async function uniqueKeys(session: SqlSession, oid: string): Promise<UniqueKey[]> {
  const { rows } = await session.query(
    'SELECT c.relname, i.indisprimary, a.attname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid ' +
      'CROSS JOIN LATERAL unnest(i.indkey[0:i.indnkeyatts - 1]) WITH ORDINALITY k(attnum, place) ' +
      'LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum ' +
      `WHERE i.indrelid = ${oid} AND i.indisunique AND i.indpred IS NULL AND i.indexprs IS NULL ORDER BY c.relname, k.place`,
    'reading the keys of the table',
  )
  const keys = new Map<string, { isPrimary: boolean; columns: string[] }>()
  for (const row of rows) {
    const key = keys.get(textAt(row, 0)) ?? { isPrimary: textAt(row, 1) === 't', columns: [] }
    key.columns.push(textAt(row, 2))
    keys.set(textAt(row, 0), key)
  }
  return [...keys].map(([name, key]) => ({ name, ...key }))
}
