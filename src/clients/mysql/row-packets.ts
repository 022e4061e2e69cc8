/**
 * Is given each row as the server sent it, in `bytes[start…end)`, which are used again when it returns. Where it returns
 * a promise the server is made to wait until that is fulfilled; rows that have arrived come all the same.
 */
export type TakeRow = (bytes: Buffer, start: number, end: number) => Promise<void> | undefined

/** A packet of `mysql2`, which is the same object for every packet. */
interface RowPacket {
  readonly buffer: Buffer
  /** Behind the header. */
  readonly offset: number
  readonly end: number
  isEOF(): boolean
}

/** The command that `mysql2` runs for a query: `row` is called for each packet of a row, and returns what takes the next. */
interface QueryCommand {
  row: (packet: RowPacket) => unknown
  done(): unknown
}

/**
 * Takes the rows of a running query before they are parsed: nothing is made for a row. Without TLS the server is made to
 * wait by no longer reading its socket; with TLS the driver goes on reading, and the size of the answer is the bound.
 */
export function takeRowPackets(query: unknown, take: TakeRow, socket: { pause(): unknown; resume(): unknown }): void {
  const command = query as QueryCommand
  const next = (packet: RowPacket): unknown => {
    if (packet.isEOF()) return command.done()
    const wait = take(packet.buffer, packet.offset, packet.end)
    if (wait !== undefined) {
      socket.pause()
      void wait.then(() => socket.resume())
    }
    return next
  }
  command.row = next
}
