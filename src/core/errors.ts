import { ERROR_CODES, type ErrorCode } from './error-codes.ts'

/**
 * What the runtime does about an error. The thrower decides, the runtime obeys:
 * - `retry`: the same call may be made again, after a pause;
 * - `restart`: open work is thrown away and the job goes on from its last published checkpoint (a soft rewind);
 * - `halt`: the process ends with the code's exit code.
 */
export type Retry = 'retry' | 'restart' | 'halt'

/** Facts for the report of an error: names, counts, positions. Never row values, never secrets. */
export type ErrorDetail = { readonly [key: string]: unknown }

export interface MillraceErrorOptions {
  readonly code: ErrorCode
  readonly retry?: Retry
  readonly cause?: unknown
  readonly detail?: ErrorDetail
}

/** The world being the world: a typed error that says what was being done, on what, what came back and what to try. */
export class MillraceError extends Error {
  override readonly name = 'MillraceError'
  readonly code: ErrorCode
  readonly retry: Retry
  readonly detail: ErrorDetail

  constructor(message: string, options: MillraceErrorOptions) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = options.code
    this.retry = options.retry ?? 'halt'
    this.detail = options.detail ?? {}
  }

  get exitCode(): number {
    return ERROR_CODES[this.code].exit
  }

  get remedy(): string {
    return ERROR_CODES[this.code].remedy
  }
}

/** Errors cross threads as plain data; `Error` objects would lose their code. */
export interface ErrorData {
  readonly message: string
  readonly code: ErrorCode
  readonly retry: Retry
  readonly detail: ErrorDetail
  readonly causes: readonly string[]
}

/** An unknown thrown value as a `MillraceError`: what is not ours is a bug, `INTERNAL`, and restarts the job. */
export function toMillraceError(thrown: unknown): MillraceError {
  if (thrown instanceof MillraceError) return thrown
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  return new MillraceError(message, { code: 'INTERNAL', retry: 'restart', cause: thrown })
}

/** Adds the doing word to an error and keeps its code: `committing checkpoint 42 to orders: …`. */
export function wrapError(thrown: unknown, doing: string): MillraceError {
  const inner = toMillraceError(thrown)
  return new MillraceError(`${doing}: ${inner.message}`, {
    code: inner.code,
    retry: inner.retry,
    detail: inner.detail,
    cause: thrown,
  })
}

export function errorToData(thrown: unknown): ErrorData {
  const error = toMillraceError(thrown)
  return {
    message: error.message,
    code: error.code,
    retry: error.retry,
    detail: error.detail,
    causes: causesOf(error.cause),
  }
}

export function errorFromData(data: ErrorData): MillraceError {
  return new MillraceError(data.message, {
    code: data.code,
    retry: data.retry,
    detail: data.detail,
    ...(data.causes.length > 0 ? { cause: data.causes.join(' ← ') } : {}),
  })
}

function causesOf(cause: unknown): string[] {
  const causes: string[] = []
  for (let at = cause; at !== undefined && causes.length < 8; at = at instanceof Error ? at.cause : undefined) {
    causes.push(at instanceof Error ? (at.stack ?? at.message) : String(at))
  }
  return causes
}
