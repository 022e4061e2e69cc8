import { MillraceError } from '../../core/errors.ts'
import { columnsById, type ContentFile, type IcebergField, type TableMetadata } from '../../clients/iceberg/index.ts'
import { quoteName, quoteText, type LaneDatabase } from '../../dataplane/index.ts'
import {
  columnTypes,
  loadRowGroup,
  readFooter,
  rowGroupColumn,
  RowGroupTables,
} from '../../dataplane/parquet-source/index.ts'
import { FileColumns } from './file-columns.ts'
import { isNested } from './read-schema.ts'
import type { TableFiles } from './table-files.ts'

/** Columns of position delete files. Source: apache/iceberg format/spec.md, "Reserved Field IDs". */
const FILE_PATH: IcebergField = { id: 2_147_483_546, name: 'file_path', required: true, type: { kind: 'string' } }
const POSITION: IcebergField = { id: 2_147_483_545, name: 'pos', required: true, type: { kind: 'long' } }

/** Tables of equality deletes that stay: neighbouring data files mostly share them. */
const KEPT_TABLES = 8

let names = 0

/** Equality deletes as a table of the lane: column `k0`, `k1`, … for each compared field. */
export interface EqualityTable {
  readonly relation: string
  readonly fields: readonly IcebergField[]
}

/** Brings delete files into the lane's database, where they are joined with the rows. */
export class DeleteTables {
  readonly #database: LaneDatabase
  readonly #equality = new Map<string, EqualityTable>()

  constructor(database: LaneDatabase) {
    this.#database = database
  }

  /** Rows of one data file that position deletes name, as a table with a column `pos`. The caller drops it. */
  async positions(
    files: TableFiles,
    metadata: TableMetadata,
    deletes: readonly ContentFile[],
    path: string,
  ): Promise<string> {
    const relation = `deleted positions ${++names}`
    await this.#database.run(`CREATE TEMP TABLE ${quoteName(relation)} (pos BIGINT)`)
    for (const file of deletes) {
      await this.#insert(relation, files, metadata, file, [POSITION, FILE_PATH], (at, position) => ({
        list: `${position} AS pos`,
        condition: `${at(FILE_PATH)} = ${quoteText(path)}`,
      }))
    }
    return relation
  }

  /** Tables for equality deletes, one for each set of compared columns. They stay until `close` or until many came. */
  async equality(
    files: TableFiles,
    metadata: TableMetadata,
    deletes: readonly ContentFile[],
  ): Promise<readonly EqualityTable[]> {
    const bySet = Map.groupBy(deletes, ({ equalityIds }) => [...(equalityIds ?? [])].sort((a, b) => a - b).join())
    const tables: EqualityTable[] = []
    for (const [ids, group] of bySet) tables.push(await this.#equalityTable(files, metadata, ids, group))
    // Those of this call are in use: only earlier ones go.
    const inUse = new Set(tables)
    for (const [key, table] of this.#equality) {
      if (this.#equality.size <= KEPT_TABLES) break
      if (inUse.has(table)) continue
      this.#equality.delete(key)
      await this.drop(table.relation)
    }
    return tables
  }

  async drop(relation: string): Promise<void> {
    await this.#database.run(`DROP TABLE IF EXISTS ${quoteName(relation)}`)
  }

  async close(): Promise<void> {
    for (const { relation } of this.#equality.values()) await this.drop(relation)
    this.#equality.clear()
  }

  async #equalityTable(
    files: TableFiles,
    metadata: TableMetadata,
    ids: string,
    deletes: readonly ContentFile[],
  ): Promise<EqualityTable> {
    const key = `${ids} ${deletes
      .map(({ path }) => path)
      .sort()
      .join('\n')}`
    const known = this.#equality.get(key)
    if (known !== undefined) {
      // The youngest stands last.
      this.#equality.delete(key)
      this.#equality.set(key, known)
      return known
    }
    const fields = ids.split(',').map((id) => fieldOf(Number(id), metadata, deletes))
    const relation = `deleted values ${++names}`
    const columns = fields.map((_, index) => `k${index}`)
    let isMade = false
    for (const file of deletes) {
      await this.#insert(relation, files, metadata, file, fields, (at) => ({
        list: fields.map((field, index) => `${at(field)} AS ${columns[index]}`).join(', '),
        condition: undefined,
        make: !isMade,
      }))
      isMade = true
    }
    const table = { relation, fields }
    this.#equality.set(key, table)
    return table
  }

  async #insert(
    relation: string,
    files: TableFiles,
    metadata: TableMetadata,
    deletes: ContentFile,
    fields: readonly IcebergField[],
    select: (
      at: (field: IcebergField) => string,
      first: string,
    ) => { readonly list: string; readonly condition: string | undefined; readonly make?: boolean },
  ): Promise<void> {
    const { footer, file } = await readFooter(files.ranges(deletes.path, deletes.size))
    const columns = new FileColumns(footer, deletes, metadata, fields)
    const types = await columnTypes(this.#database, file, footer, columns.read)
    const at = (field: IcebergField): string => columns.sql(field, types)
    const { list, condition, make } = select(at, at(fields[0] ?? POSITION))
    if (make === true) {
      const nulls = types.map(({ text }, index) => `CAST(NULL AS ${text}) AS ${rowGroupColumn(index)}`).join(', ')
      await this.#database.run(
        `CREATE TEMP TABLE ${quoteName(relation)} AS SELECT ${list} FROM (SELECT ${nulls}) WHERE false`,
      )
    }
    for (const group of footer.groups) {
      const loaded = await loadRowGroup(file, footer, group, columns.read)
      const rows = { columns: columns.read, list, condition }
      const tables = RowGroupTables.open(this.#database, file, group, rows, loaded, 0)
      for (let part = await tables.next(); part !== undefined; part = await tables.next()) {
        await this.#database.run(`INSERT INTO ${quoteName(relation)} SELECT * FROM ${quoteName(part.relation)}`)
        await this.drop(part.relation)
      }
      await tables.close()
    }
  }
}

/** Deletes may compare columns that the table has dropped since. */
function fieldOf(id: number, metadata: TableMetadata, [first]: readonly ContentFile[]): IcebergField {
  const field = columnsById(metadata).get(id)
  if (field !== undefined && !isNested(field.type)) return field
  throw new MillraceError(
    `reading ${first?.path}: it deletes by the field ${id}, which is nested or which no schema of the table has`,
    { code: 'SCHEMA', detail: { file: first?.path, field: id } },
  )
}
