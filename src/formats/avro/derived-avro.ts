import type { Column, ColumnType } from '../../dataplane/index.ts'
import { misfit } from '../binary-rows/row-format.ts'

/** A record's schema for these columns: what reading it gives back are the same columns. */
export function derivedAvro(name: string, columns: readonly Column[]): string {
  const problems: string[] = []
  const fields = columns.map((column) => {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(column.name))
      problems.push(`${JSON.stringify(column.name)} is no name for a field (letters, digits and _)`)
    const type = avroType(column.type)
    if (type === undefined)
      problems.push(`the column ${column.name} has nanoseconds, for which there is no type: cast it to timestamp`)
    return column.nullable ? { name: column.name, type: ['null', type], default: null } : { name: column.name, type }
  })
  if (problems.length > 0) throw misfit('Avro', problems)
  return JSON.stringify({
    type: 'record',
    name: name.replaceAll(/[^A-Za-z0-9_]/g, '_').replace(/^(?=\d)/, '_'),
    fields,
  })
}

function avroType(type: ColumnType): string | object | undefined {
  switch (type.kind) {
    case 'integer':
      return INTEGERS[type.name] ?? decimal(39, 0)
    case 'decimal':
      return decimal(type.precision, type.scale)
    case 'timestamp':
      return type.precision > 6 ? undefined : { type: 'long', logicalType: 'local-timestamp-micros' }
    case 'timestamptz':
      return { type: 'long', logicalType: 'timestamp-micros' }
    case 'time':
      return { type: 'long', logicalType: 'time-micros' }
    case 'date':
      return { type: 'int', logicalType: 'date' }
    case 'uuid':
      return { type: 'string', logicalType: 'uuid' }
    case 'blob':
      return 'bytes'
    case 'varchar':
    case 'json':
      return 'string'
    default:
      return type.kind
  }
}

const INTEGERS: Readonly<Record<string, string | object>> = {
  tinyint: 'int',
  smallint: 'int',
  integer: 'int',
  bigint: 'long',
  utinyint: 'int',
  usmallint: 'int',
  uinteger: 'long',
  ubigint: decimal(20, 0),
}

function decimal(precision: number, scale: number): object {
  return { type: 'bytes', logicalType: 'decimal', precision, scale }
}
