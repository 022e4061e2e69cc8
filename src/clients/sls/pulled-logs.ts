import { zstdDecompressSync } from 'node:zlib'
import { decompressLz4Block } from '../../core/lz4-block.ts'
import type { AnswerMemory } from './answer-memory.ts'
import { cursorPosition } from './cursor.ts'
import type { HttpReply } from './http.ts'

/** Behind the raw bytes of an answer stand so many line feeds, where whoever looks for the end of a value comes to rest. */
export const SLACK_BYTES = 16
const LINE_FEED = 0x0a

/** An answer may say that it is this large when it is unpacked; more is damage. */
const RAW_BYTES_MAX = 256 * 1024 * 1024

/** An answer that must not be used: the same cursor is pulled again. */
export class DamagedAnswer extends Error {}

/** The answer to one pull, still compressed. */
export interface PulledLogs {
  /** The cursor that was asked for, and the one to go on with. */
  readonly cursor: string
  readonly next: string
  readonly groups: number
  readonly rawBytes: number
  readonly codec: string
  readonly body: Buffer
  /** Position of the first group; `undefined` when the answer tells no numbers, or has no groups. */
  readonly first: bigint | undefined
  /** True: nothing lies behind it now. */
  readonly isEnd: boolean
}

/** @throws DamagedAnswer when the headers of the answer cannot be true. */
export function pulledLogs(cursor: string, { headers, body }: HttpReply): PulledLogs {
  const text = (name: string): string => String(headers[name] ?? '')
  const next = text('x-log-cursor')
  if (next === '') throw new DamagedAnswer('it has no x-log-cursor')
  const groups = wholeNumber(text('x-log-count'), 'x-log-count')
  const rawBytes = wholeNumber(text('x-log-bodyrawsize'), 'x-log-bodyrawsize')
  if (rawBytes > RAW_BYTES_MAX) throw new DamagedAnswer(`it unpacks to ${rawBytes} bytes`)
  if (groups > 0 && rawBytes === 0) throw new DamagedAnswer(`it has ${groups} groups and no body`)
  const last = text('x-log-read-last-cursor')
  // The header is optional; the next cursor is the number behind the last group.
  const end = /^\d{1,19}$/.test(last) ? BigInt(last) + 1n : cursorPosition(next)
  const isEnd = text('x-log-end-of-cursor') === '1'
  const first = groups === 0 || end === undefined ? undefined : end - BigInt(groups)
  return { cursor, next, groups, rawBytes, codec: text('x-log-compresstype'), body, first, isEnd }
}

function wholeNumber(text: string, name: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new DamagedAnswer(`${name} is missing or no number`)
  return Number(text)
}

/** The raw bytes of an answer. */
export interface RawLogs {
  /** Has `SLACK_BYTES` line feeds behind the raw bytes. */
  readonly memory: Buffer
  /** Groups in it, where somebody has counted them and found nothing odd. */
  readonly counted: number | undefined
}

/**
 * Unpacks the body to exactly the size that was announced. `target` is used when it is large enough.
 *
 * @throws DamagedAnswer when the body is anything else.
 */
export function unpack(pulled: PulledLogs, target: Buffer | undefined, quick?: AnswerMemory): RawLogs {
  const { body, codec, rawBytes } = pulled
  const room = rawBytes + SLACK_BYTES
  const memory = target !== undefined && target.length >= room ? target : Buffer.allocUnsafeSlow(Math.ceil(room * 1.25))
  const raw = memory.subarray(0, rawBytes)
  memory.fill(LINE_FEED, rawBytes, room)
  if (codec === 'lz4') {
    const counted = quick?.unpackLz4(body, raw)
    if (counted !== undefined) return { memory, counted }
  }
  if (unpackInto(raw, body, codec) !== rawBytes) throw new DamagedAnswer(`it does not unpack to ${rawBytes} bytes`)
  return { memory, counted: codec === 'lz4' ? undefined : quick?.count(raw) }
}

function unpackInto(raw: Buffer, body: Buffer, codec: string): number {
  try {
    switch (codec) {
      case '':
        return body.length > raw.length ? body.length : body.copy(raw)
      case 'lz4':
        return decompressLz4Block(body, raw, 0)
      case 'zstd': {
        const unpacked = zstdDecompressSync(body, { maxOutputLength: Math.max(1, raw.length) })
        return unpacked.copy(raw)
      }
      default:
        throw new DamagedAnswer(`it is compressed as ${JSON.stringify(codec.slice(0, 20))}, which was not asked for`)
    }
  } catch (cause) {
    if (cause instanceof DamagedAnswer) throw cause
    throw new DamagedAnswer(`its ${codec} block is damaged`, { cause })
  }
}
