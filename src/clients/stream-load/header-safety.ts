import { MillraceError } from '../../core/errors.ts'

const NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/
/** Printable ASCII and tab inside; a space at an end would be trimmed by the server and change the value. */
const VALUE = /^(?:[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?)?$/
const VALUE_BYTES_MAX = 32 * 1024

/** Headers that frame the message or name its receiver: only this client may set them. */
const RESERVED = new Set([
  'authorization',
  'connection',
  'content-length',
  'expect',
  'host',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

export type HeaderFields = readonly (readonly [name: string, value: string])[]

/**
 * The lines of a request head for fields that come from configuration or data. A value with CR, LF, NUL or any other
 * character outside printable ASCII could end the header and smuggle a second request, so it is refused.
 *
 * @throws MillraceError CONFIG naming the header, never its value.
 */
export function headerLines(fields: HeaderFields): string {
  let lines = ''
  const seen = new Set<string>()
  for (const [name, value] of fields) {
    const key = name.toLowerCase()
    if (!NAME.test(name)) throw refused(JSON.stringify(name.slice(0, 64)), 'is not a header name')
    if (RESERVED.has(key)) throw refused(key, 'is set by Millrace and cannot be given')
    if (seen.has(key)) throw refused(key, 'is given twice')
    if (value.length > VALUE_BYTES_MAX) throw refused(key, `is longer than ${VALUE_BYTES_MAX} bytes`)
    if (!VALUE.test(value)) throw refused(key, 'may hold printable ASCII only, without spaces at its ends')
    seen.add(key)
    lines += `${name}: ${value}\r\n`
  }
  return lines
}

function refused(name: string, why: string): MillraceError {
  return new MillraceError(`stream load header ${name} ${why}`, {
    code: 'CONFIG',
    retry: 'halt',
    detail: { header: name },
  })
}
