import { zstdCompressSync } from 'node:zlib'
import { cursorOf } from './cursor-text.ts'
import { encodeLogGroupList } from './log-group.ts'
import { compressLz4Block } from './lz4-compress.ts'
import type { StoredGroup } from './shard.ts'

export interface HttpAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
  /** The connection breaks after so many bytes of the body. */
  readonly sentBytes?: number
}

export function jsonAnswer(value: unknown, status = 200): HttpAnswer {
  return { status, headers: { 'content-type': 'application/json' }, body: Buffer.from(JSON.stringify(value)) }
}

export const EMPTY_ANSWER: HttpAnswer = { status: 200, headers: {}, body: Buffer.alloc(0) }

export type PullCodec = 'lz4' | 'zstd' | 'none'

/** The first codec of `Accept-Encoding` that the service has; none for anything else. */
export function codecOf(acceptEncoding: string | undefined): PullCodec {
  const names = (acceptEncoding ?? '').split(',').map((name) => name.trim())
  const known = names.find((name) => name === 'lz4' || name === 'zstd')
  return known === 'lz4' || known === 'zstd' ? known : 'none'
}

export interface PullFacts {
  readonly groups: readonly StoredGroup[]
  readonly next: bigint
  readonly cursorTime: number
  readonly isEnd: boolean
  readonly codec: PullCodec
  readonly hidesLastCursor: boolean
  /** The list that is sent instead of a whole one. */
  readonly breaksList: boolean
}

/** The answer to PullLogs (aliyun-log-java PullLogsResponse, aliyun-log-go-sdk log_store.go). */
export function pullAnswer(facts: PullFacts): HttpAnswer {
  const { groups, next, cursorTime, isEnd, codec, hidesLastCursor, breaksList } = facts
  const last = groups.at(-1)
  const headers = {
    'content-type': 'application/x-protobuf',
    'x-log-cursor': cursorOf(next),
    'x-log-count': String(groups.length),
    'x-log-cursor-time': String(cursorTime),
    'x-log-end-of-cursor': isEnd ? '1' : '0',
    ...(last === undefined || hidesLastCursor ? {} : { 'x-log-read-last-cursor': String(last.position) }),
  }
  if (last === undefined)
    return { status: 200, headers: { ...headers, 'x-log-bodyrawsize': '0' }, body: Buffer.alloc(0) }
  const list = encodeLogGroupList(groups.map(({ bytes }) => bytes))
  const raw = breaksList ? list.subarray(0, list.length - 3) : list
  return {
    status: 200,
    headers: {
      ...headers,
      'x-log-bodyrawsize': String(raw.length),
      ...(codec === 'none' ? {} : { 'x-log-compresstype': codec }),
    },
    body: codec === 'lz4' ? compressLz4Block(raw) : codec === 'zstd' ? zstdCompressSync(raw) : raw,
  }
}
