import type { HttpReply } from '../reply-parser.ts'
import type { ReplyContext } from '../reply-result.ts'

/** A whole reply of a server; objects become JSON. */
export function replyOf(body: object | string, status = 200): HttpReply {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  return { status, headers: new Map(), body: Buffer.from(text), keepAlive: true }
}

/** A refusal of a StarRocks FE, with the class name in front that older and newer ones spell differently. */
export function feFailure(text: string): object {
  return { Status: 'FAILED', Message: `class com.starrocks.common.StarRocksException: ${text}` }
}

export const CONTEXT: ReplyContext = { doing: 'doing', label: 'L', holdsData: true }

/** An outcome in a few words, for tables: `kind`, with the error's code and retry behind it. */
export function inShort(outcome: object): string {
  const { kind, error, why, existing } = outcome as {
    kind: string
    error?: { code: string; retry: string }
    why?: string
    existing?: string
  }
  return [kind, error?.code, error?.retry, why, existing].filter((word) => word !== undefined).join(' ')
}
