import { isUtf8 } from 'node:buffer'
import { isLoopback } from '../../core/host-address.ts'
import { MillraceError, toMillraceError } from '../../core/errors.ts'
import type { HttpSourceOptions } from './options.ts'

/**
 * The bytes that the address answers with.
 *
 * @throws MillraceError `UNAVAILABLE` (retry) for a server that is away or busy, `AUTH`, `REDIRECT_DENIED`, `CONFIG`, or
 *   `DECODE` for an answer that is too large or no UTF-8.
 */
export async function fetchAnswer(options: HttpSourceOptions, signal: AbortSignal): Promise<Buffer>
/** The same of an address that is made for a key, which messages do not name; `undefined`: there is nothing (404). */
export async function fetchAnswer(
  options: HttpSourceOptions,
  signal: AbortSignal,
  keyed: string,
): Promise<Buffer | undefined>
export async function fetchAnswer(
  options: HttpSourceOptions,
  signal: AbortSignal,
  keyed?: string,
): Promise<Buffer | undefined> {
  const address = new URL(options.url)
  const place = `${address.host}${address.pathname}`
  refusePlaintext(options, address)
  const answer = await ask(options, place, signal, keyed ?? options.url)
  const { status } = answer
  if (status !== 200) {
    await answer.body?.cancel()
    if (status === 404 && keyed !== undefined) return undefined
    throw refused(place, status)
  }
  const parts: Uint8Array[] = []
  let bytes = 0
  try {
    for await (const part of answer.body ?? []) {
      bytes += part.length
      if (bytes > options.bytesMax) throw damaged(place, `it has more than ${options.bytesMax} bytes (bytesMax)`)
      parts.push(part)
    }
  } catch (thrown) {
    if (thrown instanceof MillraceError) throw thrown
    throw away(place, thrown)
  }
  const whole = Buffer.concat(parts)
  if (!isUtf8(whole)) throw damaged(place, 'it is not UTF-8')
  return whole
}

async function ask(options: HttpSourceOptions, place: string, signal: AbortSignal, url: string): Promise<Response> {
  const { token, headers, timeout } = options
  try {
    return await fetch(url, {
      headers: {
        accept: 'application/json, application/x-ndjson',
        ...headers,
        ...(token === undefined ? {} : { authorization: `Bearer ${token.reveal()}` }),
      },
      // Somewhere else nobody has asked for.
      redirect: 'manual',
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeout)]),
    })
  } catch (thrown) {
    throw away(place, thrown)
  }
}

function refusePlaintext({ token, allowPlaintext }: HttpSourceOptions, { protocol, hostname }: URL): void {
  if (token === undefined || protocol === 'https:' || allowPlaintext) return
  if (hostname === 'localhost' || isLoopback(hostname)) return
  const message = `the token for ${hostname} would travel unencrypted: use https, or set \`allowPlaintext: true\``
  throw new MillraceError(message, { code: 'CONFIG' })
}

function refused(place: string, status: number): MillraceError {
  const message = `reading ${place}: the server answers ${status}`
  if (status >= 300 && status < 400) {
    const hint = `${message}, which leads elsewhere. Name that address in \`url\``
    return new MillraceError(hint, { code: 'REDIRECT_DENIED' })
  }
  if (status === 401 || status === 403) return new MillraceError(message, { code: 'AUTH' })
  const isBusy = status >= 500 || status === 429 || status === 408
  return new MillraceError(message, isBusy ? { code: 'UNAVAILABLE', retry: 'retry' } : { code: 'CONFIG' })
}

function away(place: string, thrown: unknown): MillraceError {
  const { cause } = thrown as Error
  const why = cause instanceof Error ? cause.message : toMillraceError(thrown).message
  return new MillraceError(`reading ${place}: ${why}`, { code: 'UNAVAILABLE', retry: 'retry', cause: thrown })
}

function damaged(place: string, what: string): MillraceError {
  return new MillraceError(`reading ${place}: the answer cannot be read: ${what}`, { code: 'DECODE' })
}
