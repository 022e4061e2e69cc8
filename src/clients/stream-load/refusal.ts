import type { ErrorCode } from '../../core/error-codes.ts'
import { MillraceError, type Retry } from '../../core/errors.ts'

interface RefusalClass {
  readonly pattern: RegExp
  readonly code: ErrorCode
  readonly retry: Retry
}

/**
 * What a server's words of refusal mean, first match wins. StarRocks and Doris share most of them (Doris puts
 * `[CODE]` before the text). What no line names is a broken load: the job restarts from its checkpoint.
 */
const REFUSALS: readonly RefusalClass[] = [
  { pattern: /access denied|no valid basic authorization|not_authorized|unauthorized/i, code: 'AUTH', retry: 'halt' },
  { pattern: /too many filtered rows|primary key size exceed the limit/i, code: 'POISON', retry: 'halt' },
  { pattern: /streaming_load_(?:json_)?max_mb|ignore_json_size/i, code: 'CONFIG', retry: 'halt' },
  { pattern: /unknown (?:table|database|column)/i, code: 'SCHEMA', retry: 'halt' },
  {
    pattern: /(?:table|database|column)\W?(?:\s|\[|').*(?:does not exist|not found|not exist)/i,
    code: 'SCHEMA',
    retry: 'halt',
  },
  { pattern: /only primary key table support partial update/i, code: 'SCHEMA', retry: 'halt' },
  {
    pattern:
      /unknown data format|invalid (?:strict mode|timeout|prepared_timeout|merge type|label)|can not specify both|only one of http header|load request not equal last|must be single-char|delete on clause|can only be|can't be set at the same time|there is no 100-continue header|unsupported operation|not implemented/i,
    code: 'CONFIG',
    retry: 'halt',
  },
  { pattern: /2pc\) for stream load was disabled|2pc is unsupported for mow/i, code: 'PREFLIGHT', retry: 'halt' },
  { pattern: /exceeds? quota|disable_load_job is set/i, code: 'UNAVAILABLE', retry: 'retry' },
  {
    pattern:
      /current running txns on db|safe mode state|cuncurrent limit|concurrent limit|shutting down|have not get fe master heartbeat|write lock timeout|not.?master/i,
    code: 'UNAVAILABLE',
    retry: 'retry',
  },
]

/**
 * The error for a refusal.
 *
 * @param holdsData whether rows were already sent: then "try again later" means again from the checkpoint, because a
 *   broken load is never repeated piecewise.
 */
export function refusalError(
  doing: string,
  reply: { readonly status: string; readonly message: string; readonly errorUrl?: string },
  holdsData: boolean,
): MillraceError {
  const found = REFUSALS.find(({ pattern }) => pattern.test(reply.message) || pattern.test(reply.status))
  const code = found?.code ?? 'UNAVAILABLE'
  const retry = found === undefined || (found.retry === 'retry' && holdsData) ? 'restart' : found.retry
  // Newer servers append a sample of the rejected row, and rows do not belong into messages.
  const sample = code === 'POISON' ? found?.pattern.exec(reply.message)?.[0] : undefined
  const shown = shownText(sample ?? reply.message)
  const rows =
    reply.errorUrl === undefined ? '' : `. The server keeps the rejected rows at ${shownText(reply.errorUrl)}`
  return new MillraceError(
    `${doing}: the server answered ${shownText(reply.status)}: ${shown || '(no message)'}${rows}`,
    {
      code,
      retry,
      detail: {
        status: reply.status,
        message: shown,
        ...(reply.errorUrl === undefined ? {} : { errorUrl: shownText(reply.errorUrl) }),
      },
    },
  )
}

/** Server text for a message: one line, bounded. */
export function shownText(text: string): string {
  const line = text.replace(/[\p{C}\s]+/gu, ' ').trim()
  return line.length > 400 ? `${line.slice(0, 400)}…` : line
}
