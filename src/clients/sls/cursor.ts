/**
 * A cursor is base64 of a decimal int64, and consecutive LogGroups of a shard have consecutive numbers (aliyun-log-go-sdk
 * model.go `addCursorIfPossible`). Requests send cursors as they came; the number is for comparing. `undefined` for a
 * cursor that is none: then only equality is known.
 */
export function cursorPosition(cursor: string): bigint | undefined {
  const text = Buffer.from(cursor, 'base64').toString('latin1')
  return /^\d{1,19}$/.test(text) ? BigInt(text) : undefined
}
