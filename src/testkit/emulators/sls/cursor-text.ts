/** A cursor is base64 of a decimal int64, for example `MTQ0NzMyOTQwMTEwMjEzMDkwNA==` = 1447329401102130904. */
export function cursorOf(position: bigint): string {
  return Buffer.from(String(position)).toString('base64')
}

/** The position of a cursor with or without padding; undefined for anything else. */
export function positionOf(cursor: string): bigint | undefined {
  const text = Buffer.from(cursor, 'base64').toString('latin1')
  return /^\d{1,19}$/.test(text) ? BigInt(text) : undefined
}
