import type { Socket } from 'node:net'
import { MillraceError } from '../../core/errors.ts'

/** Longest packet of the protocol; one of exactly this length goes on in the next. */
const PACKET_MAX = 0xff_ff_ff
const HEADER = 4
/** While more than this waits to be read, the server is not listened to. */
const READ_AHEAD_BYTES = 4 * 1024 * 1024
/** A single value may have 1 GiB at most (max_allowed_packet), so a longer packet is damage. */
const WHOLE_MAX = 1024 * 1024 * 1024 + 64 * 1024

/**
 * The packets of one connection (MySQL client/server protocol, "MySQL Packets"): length in three bytes, sequence number in
 * one. What `next` returns lives in a buffer that is used again: it is good until the next `await`.
 */
export class PacketSocket {
  readonly #socket: Socket
  readonly #what: string
  #buffer = Buffer.allocUnsafeSlow(256 * 1024)
  #start = 0
  #end = 0
  #sequence = 0
  #failure: MillraceError | undefined
  #wake: (() => void) | undefined
  #isPaused = false

  constructor(socket: Socket, what: string) {
    this.#socket = socket
    this.#what = what
    socket.on('data', (chunk: Buffer) => this.#take(chunk))
    socket.on('error', (error) => this.fail(`broke: ${error.message}`))
    socket.on('close', () => this.fail('was closed by the server'))
  }

  get isOpen(): boolean {
    return this.#failure === undefined
  }

  /** The next packet if all of it has come, however many parts it has. */
  next(): Buffer | undefined {
    let end = this.#start
    for (;;) {
      if (this.#end - end < HEADER) return this.#missing()
      const length = this.#buffer.readUIntLE(end, 3)
      if (this.#end - end - HEADER < length) return this.#missing()
      this.#sequence = (this.#buffer.readUInt8(end + 3) + 1) & 0xff
      end += HEADER + length
      if (length < PACKET_MAX) break
    }
    const packet = this.#join(this.#start, end)
    this.#start = end
    return packet
  }

  /**
   * Resolves when something has come; false when `signal` was aborted or `waitMs` had passed before. Throws when the
   * connection is gone.
   */
  async more(signal?: AbortSignal, waitMs?: number): Promise<boolean> {
    this.#assertOpen()
    if (signal?.aborted === true) return false
    if (this.#isPaused) {
      this.#isPaused = false
      this.#socket.resume()
    }
    const before = this.#end - this.#start
    await new Promise<void>((resolve) => {
      const timer = waitMs === undefined ? undefined : setTimeout(() => this.#wake?.(), waitMs)
      const done = (): void => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', done)
        this.#wake = undefined
        resolve()
      }
      signal?.addEventListener('abort', done, { once: true })
      this.#wake = done
    })
    if (this.#end - this.#start > before) return true
    this.#assertOpen()
    return false
  }

  /** Sends one packet. A new command begins a new sequence. */
  send(payload: Buffer, isCommand: boolean): void {
    if (this.#failure !== undefined) throw this.#failure
    if (isCommand) this.#sequence = 0
    const header = Buffer.alloc(HEADER)
    header.writeUIntLE(payload.length, 0, 3)
    header.writeUInt8(this.#sequence, 3)
    this.#socket.write(Buffer.concat([header, payload]))
  }

  /** From now on a connection on which nothing comes for so long is taken for broken. */
  expectWithin(ms: number): void {
    this.#socket.setTimeout(ms)
    this.#socket.on('timeout', () => {
      // We are the ones who did not read.
      if (this.#isPaused) this.#socket.setTimeout(ms)
      else this.close(`said nothing for ${ms / 1000} s`)
    })
  }

  /** Gives the bare socket back, for TLS; nothing that came may be left unread. */
  release(): Socket {
    this.#socket.removeAllListeners()
    // Whatever happens from here on is told to whoever wraps the socket.
    this.#socket.on('error', () => undefined)
    return this.#socket
  }

  get sequence(): number {
    return this.#sequence
  }

  set sequence(value: number) {
    this.#sequence = value
  }

  fail(why: string): void {
    this.#failure ??= new MillraceError(`${this.#what} ${why}`, { code: 'UNAVAILABLE', retry: 'restart' })
    this.#wake?.()
  }

  close(why = 'was closed'): void {
    this.fail(why)
    this.#socket.destroy()
  }

  #assertOpen(): void {
    if (this.#failure !== undefined) throw this.#failure
  }

  #missing(): undefined {
    if (this.#end - this.#start > WHOLE_MAX) {
      throw new MillraceError(`${this.#what} sent a packet of more than ${WHOLE_MAX} bytes`, { code: 'DECODE' })
    }
    return undefined
  }

  #join(from: number, end: number): Buffer {
    if (end - from - HEADER < PACKET_MAX) return this.#buffer.subarray(from + HEADER, end)
    const parts: Buffer[] = []
    for (let at = from; at < end; at += HEADER + PACKET_MAX) {
      parts.push(this.#buffer.subarray(at + HEADER, Math.min(end, at + HEADER + PACKET_MAX)))
    }
    return Buffer.concat(parts)
  }

  #take(chunk: Buffer): void {
    if (this.#buffer.length - this.#end < chunk.length) this.#makeRoom(chunk.length)
    this.#buffer.set(chunk, this.#end)
    this.#end += chunk.length
    const waiting = this.#end - this.#start
    // A packet that is larger than the read-ahead has to be let in all the same.
    const wanted = waiting < HEADER ? 0 : this.#buffer.readUIntLE(this.#start, 3) + HEADER
    if (waiting > READ_AHEAD_BYTES && waiting >= wanted) {
      this.#isPaused = true
      this.#socket.pause()
    }
    this.#wake?.()
  }

  #makeRoom(bytes: number): void {
    const used = this.#end - this.#start
    const isHalfFree = used + bytes <= this.#buffer.length / 2
    const target = isHalfFree ? this.#buffer : Buffer.allocUnsafeSlow(Math.max(this.#buffer.length, (used + bytes) * 2))
    this.#buffer.copy(target, 0, this.#start, this.#end)
    this.#buffer = target
    this.#start = 0
    this.#end = used
  }
}
