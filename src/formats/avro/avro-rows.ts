import type { Column } from '../../dataplane/index.ts'
import type { ByteWriter } from '../binary-rows/byte-writer.ts'
import type { Cells } from '../binary-rows/cells.ts'
import { misfit, poison, type RowFormat, type WriteCell } from '../binary-rows/row-format.ts'
import { AvroNames, type AvroType } from './avro-schema.ts'
import { cellWriter } from './avro-cells.ts'

type WriteField = (cells: Cells, out: ByteWriter) => void

/** Rows as values of an Avro record, by the names of its fields. */
export class AvroRows implements RowFormat {
  readonly columns: readonly Column[]
  readonly #fields: readonly WriteField[]

  /** `schema` is the text of a record's schema. */
  constructor(schema: string, columns: readonly Column[]) {
    const names = new AvroNames(JSON.parse(schema) as AvroType)
    const root = names.resolve(JSON.parse(schema) as AvroType)
    const fields = typeof root === 'object' && 'fields' in root ? (root.fields ?? []) : undefined
    if (fields === undefined) throw misfit('Avro', ['the schema is no record'])
    const byName = new Map(columns.map((column) => [column.name, column]))
    const taken: Column[] = []
    const problems: string[] = []
    this.#fields = fields.map(({ name, type }) => {
      const column = byName.get(name)
      byName.delete(name)
      if (column !== undefined) taken.push(column)
      const write = fieldWriter(names, name, type, column)
      if (typeof write === 'function') return write
      problems.push(write)
      return () => undefined
    })
    for (const name of byName.keys()) problems.push(`the schema has no field ${name}`)
    if (problems.length > 0) throw misfit('Avro', problems)
    this.columns = taken
  }

  encode(cells: Cells, out: ByteWriter): void {
    for (const write of this.#fields) write(cells, out)
  }
}

/** How a field is written, or why it cannot be. */
function fieldWriter(names: AvroNames, name: string, type: AvroType, column: Column | undefined): WriteField | string {
  const resolved = names.resolve(type)
  const branches = Array.isArray(resolved) ? (resolved as readonly AvroType[]) : [resolved]
  const nullAt = Array.isArray(resolved) ? branches.indexOf('null') : -1
  if (column === undefined) {
    if (nullAt < 0) return `there is no column for the field ${name}, which cannot be null`
    return (_cells, out) => out.zigzag(nullAt)
  }
  const found = branches.flatMap((branch, at) => {
    const write = branch === 'null' ? undefined : cellWriter(names.resolve(branch), column)
    return write === undefined ? [] : [{ at, write }]
  })
  const [only] = found
  if (only === undefined) return `the column ${name} (${column.type.kind}) does not fit its field`
  if (!Array.isArray(resolved)) return notNull(column, only.write)
  return (cells, out) => {
    cells.next()
    if (cells.isNull && nullAt < 0) throw nullPoison(column)
    out.zigzag(cells.isNull ? nullAt : only.at)
    if (!cells.isNull) only.write(cells, out)
  }
}

function notNull(column: Column, write: WriteCell): WriteField {
  return (cells, out) => {
    cells.next()
    if (cells.isNull) throw nullPoison(column)
    write(cells, out)
  }
}

function nullPoison({ name }: Column): Error {
  return poison(name, 'a NULL, and its field cannot be null')
}
