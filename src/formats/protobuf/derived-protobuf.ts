import type { Column, ColumnType } from '../../dataplane/index.ts'
import { misfit } from '../binary-rows/row-format.ts'

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/

/** The .proto file of a message for these columns. Fields have the numbers of their columns, so that new ones come last. */
export function derivedProtobuf(name: string, columns: readonly Column[]): string {
  const odd = columns.filter((column) => !NAME.test(column.name))
  if (odd.length > 0)
    throw misfit(
      'Protobuf',
      odd.map((column) => `${JSON.stringify(column.name)} is no name for a field (letters, digits and _)`),
    )
  const message = name.replaceAll(/[^A-Za-z0-9_]/g, '_').replace(/^(?=\d)/, '_')
  const fields = columns.map((column, at) => `  optional ${fieldType(column.type)} ${column.name} = ${numberOf(at)};`)
  const hasTimes = fields.some((field) => field.includes('google.protobuf.Timestamp'))
  return [
    'syntax = "proto3";',
    '',
    ...(hasTimes ? ['import "google/protobuf/timestamp.proto";', ''] : []),
    `message ${message} {`,
    ...fields,
    '}',
    '',
  ].join('\n')
}

/** 19000 to 19999 belong to Protobuf itself. */
function numberOf(at: number): number {
  return at < 18_999 ? at + 1 : at + 1001
}

function fieldType(type: ColumnType): string {
  switch (type.kind) {
    case 'integer':
      return INTEGERS[type.name] ?? 'string'
    case 'boolean':
      return 'bool'
    case 'float':
    case 'double':
      return type.kind
    case 'blob':
      return 'bytes'
    case 'timestamp':
    case 'timestamptz':
      return 'google.protobuf.Timestamp'
    default:
      return 'string'
  }
}

const INTEGERS: Readonly<Record<string, string>> = {
  tinyint: 'int32',
  smallint: 'int32',
  integer: 'int32',
  bigint: 'int64',
  utinyint: 'uint32',
  usmallint: 'uint32',
  uinteger: 'uint32',
  ubigint: 'uint64',
}
