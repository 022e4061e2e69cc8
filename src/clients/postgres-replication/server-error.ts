import { MillraceError, type MillraceErrorOptions } from '../../core/errors.ts'

/** What a server said in an ErrorResponse (PostgreSQL documentation, "Error and Notice Message Fields"). */
export interface ServerMessage {
  /** Five characters, for example `28P01`. */
  readonly sqlState: string
  readonly message: string
  readonly hint: string | undefined
}

export function readServerMessage(bytes: Buffer, from: number, end: number): ServerMessage {
  const fields = new Map<string, string>()
  for (let at = from; at < end && bytes[at] !== 0;) {
    const key = String.fromCharCode(bytes[at] ?? 0)
    const stop = bytes.indexOf(0, at + 1)
    if (stop < 0 || stop >= end) break
    fields.set(key, bytes.toString('utf8', at + 1, stop))
    at = stop + 1
  }
  return {
    sqlState: fields.get('C') ?? '',
    message: fields.get('M') ?? 'no message',
    hint: fields.get('H'),
  }
}

/**
 * The server's refusal as an error that says what it means for a job. Details of the server are left out: they quote
 * values of rows.
 */
export function serverError(doing: string, { sqlState, message, hint }: ServerMessage): MillraceError {
  const text = `${doing}: ${message}${hint === undefined ? '' : ` (${hint})`} [SQLSTATE ${sqlState}]`
  return new MillraceError(text, { ...meaningOf(sqlState, message), detail: { sqlState } })
}

/** SQLSTATE of an error that came of `serverError`. */
export function sqlStateOf(error: unknown): string | undefined {
  const state = error instanceof MillraceError ? error.detail['sqlState'] : undefined
  return typeof state === 'string' ? state : undefined
}

function meaningOf(sqlState: string, message: string): Pick<MillraceErrorOptions, 'code' | 'retry'> {
  // "can no longer get changes from replication slot", "… has been invalidated", "requested WAL segment … removed".
  if (/can no longer (get changes|access)|invalidated|WAL segment .* has already been removed/.test(message))
    return { code: 'POSITION_LOST', retry: 'halt' }
  if (/replication slot .* does not exist/.test(message)) return { code: 'POSITION_LOST', retry: 'halt' }
  if (sqlState.startsWith('28') || sqlState === '42501') return { code: 'AUTH', retry: 'halt' }
  if (sqlState === '42P01' || sqlState === '42703') return { code: 'SCHEMA', retry: 'halt' }
  if (sqlState === '3D000' || sqlState.startsWith('42')) return { code: 'CONFIG', retry: 'halt' }
  // wal_level, max_replication_slots: settings that only an administrator changes.
  if (sqlState === '55000' || sqlState === '53400') return { code: 'PREFLIGHT', retry: 'halt' }
  return { code: 'UNAVAILABLE', retry: 'restart' }
}
