let tables = 0

/** A name for a temporary table that no other batch of this thread has. */
export function newTableName(of: string): string {
  return `moved ${++tables} by ${of}`
}
