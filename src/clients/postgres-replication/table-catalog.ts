import { MillraceError } from '../../core/errors.ts'
import type { PgConnection, PgRow } from './connection.ts'
import type { SourceColumn } from './row-shape.ts'
import { builtInTypes, type PgType } from './types.ts'

/** What the catalog says about a table. */
export interface PgTable {
  readonly oid: number
  readonly schema: string
  readonly name: string
  /** Its rows are those of its partitions. */
  readonly isPartitioned: boolean
  /** `d` default, `n` nothing, `f` full, `i` index. */
  readonly identity: string
  /** Without generated columns, which are not replicated. */
  readonly columns: readonly SourceColumn[]
  /** The primary key's columns in its order; empty where there is none. */
  readonly key: readonly KeyColumn[]
  /** As far as the statistics know; -1 when nobody has counted yet. */
  readonly rowsEstimated: number
  readonly bytes: number
}

export interface KeyColumn {
  readonly name: string
  readonly type: string
  /** Texts sort by their bytes in UTF-8. */
  readonly isBinary: boolean
}

/** Types by their ids, looked up when one is met that is not built in. */
export class TypeCatalog {
  readonly types: Map<number, PgType> = builtInTypes()

  /** Makes sure that these types are known; one that was dropped is left out. */
  async learn(connection: PgConnection, oids: Iterable<number>): Promise<void> {
    const missing = [...new Set(oids)].filter((oid) => !this.types.has(oid))
    if (missing.length === 0) return
    const rows = await connection.query(typesSql(missing), 'looking up types')
    const found = new Map(rows.map((row) => [Number(row[0]), row]))
    for (const oid of missing) {
      const type = this.#resolve(oid, found)
      if (type !== undefined) this.types.set(oid, type)
    }
  }

  of(oid: number): PgType {
    return this.types.get(oid) ?? { oid, name: 'text' }
  }

  #resolve(oid: number, found: ReadonlyMap<number, PgRow>): PgType | undefined {
    const known = this.types.get(oid)
    const row = found.get(oid)
    if (known !== undefined || row === undefined) return known
    const [, schema, name, kind, base, modifier, element, separator] = row
    if (kind === 'd') {
      const inner = this.#resolve(Number(base), found)
      return inner === undefined ? undefined : { modifier: Number(modifier), ...inner, oid }
    }
    const inner = element === '0' ? undefined : this.#resolve(Number(element), found)
    // Only types of the server itself are known by their names.
    const fullName = schema === 'pg_catalog' ? (name ?? '') : `${schema}.${name}`
    return { oid, name: fullName, ...(inner === undefined ? {} : { element: inner, separator: separator ?? ',' }) }
  }
}

/** Domains and arrays with what they are made of. */
function typesSql(oids: readonly number[]): string {
  return `
    WITH RECURSIVE wanted AS (
      SELECT t.* FROM pg_catalog.pg_type t WHERE t.oid IN (${oids.join(', ')})
      UNION
      SELECT t.* FROM pg_catalog.pg_type t JOIN wanted w
      ON t.oid = w.typbasetype OR (w.typinput = 'array_in'::regproc AND t.oid = w.typelem)
    )
    SELECT w.oid, n.nspname, w.typname, w.typtype, w.typbasetype, w.typtypmod,
           CASE WHEN w.typinput = 'array_in'::regproc THEN w.typelem ELSE 0 END, w.typdelim
    FROM wanted w JOIN pg_catalog.pg_namespace n ON n.oid = w.typnamespace`
}

/** All tables whose `schema.name` satisfies `isWanted`. */
export async function readTables(
  connection: PgConnection,
  catalog: TypeCatalog,
  isWanted: (schema: string, name: string) => boolean,
): Promise<PgTable[]> {
  const rows = await connection.query(TABLES_SQL, 'listing tables')
  const wanted = rows.filter(([, schema, name]) => isWanted(schema ?? '', name ?? ''))
  if (wanted.length === 0) return []
  const oids = wanted.map(([oid]) => oid).join(', ')
  const columns = await connection.query(columnsSql(oids), 'reading the columns of tables')
  const keys = await connection.query(keysSql(oids), 'reading the keys of tables')
  await catalog.learn(
    connection,
    columns.map(([, , type]) => Number(type)),
  )
  return wanted.map((row) => {
    const [oid, schema, name, kind, identity, estimate, bytes] = row
    return {
      oid: Number(oid),
      schema: schema ?? '',
      name: name ?? '',
      isPartitioned: kind === 'p',
      identity: identity ?? '',
      columns: columns
        .filter(([table]) => table === oid)
        .map(([, column, type, modifier, isNotNull]) => ({
          name: column ?? '',
          type: catalog.of(Number(type)),
          modifier: Number(modifier),
          nullable: isNotNull !== 't',
        })),
      key: keys
        .filter(([table]) => table === oid)
        .map(([, column, type, collation]) => ({
          name: column ?? '',
          type: catalog.of(Number(type)).name,
          isBinary: collation === 'C' || collation === 'POSIX' || collation === 'ucs_basic',
        })),
      rowsEstimated: Number(estimate),
      bytes: Number(bytes),
    }
  })
}

/** A text that is the same as long as the same tables are there; a small question compared with `readTables`. */
export async function fingerprintOfTables(
  connection: PgConnection,
  isWanted: (schema: string, name: string) => boolean,
): Promise<string> {
  const rows = await connection.query(`SELECT c.oid, n.nspname, c.relname ${TABLES_FROM}`, 'listing tables')
  return JSON.stringify(rows.filter(([, schema, name]) => isWanted(schema ?? '', name ?? '')))
}

/** One table, which has to be there. */
export async function readTable(
  connection: PgConnection,
  catalog: TypeCatalog,
  wanted: { readonly schema: string; readonly name: string },
): Promise<PgTable> {
  const isWanted = (schema: string, name: string): boolean => schema === wanted.schema && name === wanted.name
  const [table] = await readTables(connection, catalog, isWanted)
  if (table !== undefined) return table
  throw new MillraceError(`there is no table ${wanted.schema}.${wanted.name} that this user can see`, {
    code: 'SCHEMA',
    retry: 'halt',
  })
}

const TABLES_FROM = `
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence = 'p'
    AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_toast%'
    AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')
  ORDER BY n.nspname, c.relname`

const TABLES_SQL = `
  SELECT c.oid, n.nspname, c.relname, c.relkind, c.relreplident, c.reltuples::bigint, pg_catalog.pg_table_size(c.oid)
  ${TABLES_FROM}`

function columnsSql(oids: string): string {
  return `
    SELECT a.attrelid, a.attname, a.atttypid, a.atttypmod, a.attnotnull
    FROM pg_catalog.pg_attribute a
    WHERE a.attrelid IN (${oids}) AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
    ORDER BY a.attrelid, a.attnum`
}

/** The collation that is named `default` is that of the database. Bytes of other encodings sort in other ways than ours. */
function keysSql(oids: string): string {
  return `
    SELECT i.indrelid, a.attname, a.atttypid,
           CASE WHEN pg_catalog.getdatabaseencoding() NOT IN ('UTF8', 'LATIN1', 'SQL_ASCII') THEN ''
                WHEN l.collname = 'default' THEN d.datcollate ELSE l.collname END
    FROM pg_catalog.pg_index i
    JOIN pg_catalog.pg_database d ON d.datname = pg_catalog.current_database()
    CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k(attnum, place)
    JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
    LEFT JOIN pg_catalog.pg_collation l ON l.oid = a.attcollation
    WHERE i.indisprimary AND i.indrelid IN (${oids})
    ORDER BY i.indrelid, k.place`
}

/** `schema.name` of an option, in which a table of `public` may go without its schema. */
export function tableNameOf(text: string): { readonly schema: string; readonly name: string } {
  const dot = text.indexOf('.')
  return dot < 0 ? { schema: 'public', name: text } : { schema: text.slice(0, dot), name: text.slice(dot + 1) }
}
