/** Column types of the binlog (MySQL include/field_types.h; MariaDB include/mysql_com.h from 128 on). */
export const TYPE = {
  decimal: 0,
  tiny: 1,
  short: 2,
  long: 3,
  float: 4,
  double: 5,
  null: 6,
  timestamp: 7,
  longlong: 8,
  int24: 9,
  date: 10,
  time: 11,
  datetime: 12,
  year: 13,
  newdate: 14,
  varchar: 15,
  bit: 16,
  timestamp2: 17,
  datetime2: 18,
  time2: 19,
  blobCompressed: 140,
  varcharCompressed: 141,
  vector: 242,
  json: 245,
  newdecimal: 246,
  enum: 247,
  set: 248,
  tinyBlob: 249,
  mediumBlob: 250,
  longBlob: 251,
  blob: 252,
  varString: 253,
  string: 254,
  geometry: 255,
} as const

/** How many bytes of metadata a column has in a table map event (sql/field.cc, `do_save_field_metadata`). */
export function metadataBytes(type: number): number {
  switch (type) {
    case TYPE.float:
    case TYPE.double:
    case TYPE.blob:
    case TYPE.json:
    case TYPE.geometry:
    case TYPE.vector:
    case TYPE.timestamp2:
    case TYPE.datetime2:
    case TYPE.time2:
    case TYPE.tinyBlob:
    case TYPE.mediumBlob:
    case TYPE.longBlob:
    case TYPE.blobCompressed:
      return 1
    case TYPE.varchar:
    case TYPE.bit:
    case TYPE.newdecimal:
    case TYPE.string:
    case TYPE.varString:
    case TYPE.enum:
    case TYPE.set:
    case TYPE.varcharCompressed:
      return 2
    default:
      return 0
  }
}

/** Types that have a sign in the metadata of a table map; to some servers a year is a number too. */
export function isNumeric(type: number, hasYears: boolean): boolean {
  return (
    (type === TYPE.year && hasYears) ||
    type === TYPE.tiny ||
    type === TYPE.short ||
    type === TYPE.int24 ||
    type === TYPE.long ||
    type === TYPE.longlong ||
    type === TYPE.newdecimal ||
    type === TYPE.float ||
    type === TYPE.double
  )
}

/** Types that have a collation in a table map; enums and sets are listed apart, and MariaDB counts geometries in. */
export function isCharacter(type: number, hasGeometries: boolean): boolean {
  return (
    (type === TYPE.geometry && hasGeometries) ||
    type === TYPE.string ||
    type === TYPE.varString ||
    type === TYPE.varchar ||
    type === TYPE.blob ||
    type === TYPE.blobCompressed ||
    type === TYPE.varcharCompressed
  )
}
