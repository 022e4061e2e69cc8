/** One row of an encoded batch. */
export type TakeRow = (key: string, row: string, isDelete: boolean) => Promise<void> | undefined

const BLANK = 0x20
const ZERO = 0x30

/**
 * Hands over the rows of `<bytes of key> <bytes of row> <op> <key><row>\n…`, one after the other. A promise that is given
 * back is waited for: that is the back-pressure.
 */
export async function readRows(buffer: Buffer, length: number, take: TakeRow): Promise<void> {
  let at = 0
  const number = (): number => {
    let value = 0
    for (let byte = buffer[at++] ?? BLANK; byte !== BLANK; byte = buffer[at++] ?? BLANK)
      value = value * 10 + byte - ZERO
    return value
  }
  while (at < length) {
    const keyBytes = number()
    const rowBytes = number()
    const isDelete = number() === 1
    const rowAt = at + keyBytes
    const key = buffer.toString('utf8', at, rowAt)
    const row = buffer.toString('utf8', rowAt, rowAt + rowBytes)
    at = rowAt + rowBytes + 1
    const wait = take(key, row, isDelete)
    if (wait !== undefined) await wait
  }
}
