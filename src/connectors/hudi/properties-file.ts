import { crc32 } from 'node:zlib'
import { assert } from '../../core/assert.ts'

/** Keys and values of `hoodie.properties`, unescaped. */
export type Properties = Readonly<Record<string, string>>

const ESCAPES: Readonly<Record<string, string>> = { t: '\t', n: '\n', r: '\r', f: '\f' }

/** Parses the Java `.properties` format: comments, continued lines, three kinds of separator, escapes. */
export function parseProperties(text: string): Properties {
  const properties: Record<string, string> = {}
  for (const line of logicalLines(text)) {
    // The key ends at the first separator that no backslash protects.
    const parts = /^((?:[^\\=:\s]|\\[^])*)\s*[=:]?\s*([^]*)$/.exec(line)
    if (parts !== null) properties[unescape(parts[1] ?? '')] = unescape(parts[2] ?? '')
  }
  return properties
}

function* logicalLines(text: string): Generator<string> {
  let open = ''
  for (const raw of text.split(/\r\n|\r|\n/)) {
    const line = raw.trimStart()
    if (open === '' && (line === '' || line.startsWith('#') || line.startsWith('!'))) continue
    const continued = (/\\*$/.exec(line)?.[0].length ?? 0) % 2 === 1
    open += continued ? line.slice(0, -1) : line
    if (continued) continue
    yield open
    open = ''
  }
  if (open !== '') yield open
}

function unescape(text: string): string {
  return text.replace(/\\u([0-9a-fA-F]{4})|\\([^])/g, (_, hex: string | undefined, plain: string | undefined) => {
    if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16))
    return ESCAPES[plain ?? ''] ?? plain ?? ''
  })
}

/**
 * One line for each key. Readers disagree about escapes: hudi-rs undoes only `\:`, and only in the schema; Daft breaks
 * on a `=` in a value. So a colon is escaped in the schema, and everything else that would need an escape is refused.
 */
export function formatProperties(properties: Properties): string {
  const lines = Object.entries(properties).map(([key, value]) => {
    assert(/^[a-z0-9._]+$/.test(key), `${key} needs no escape as a key`)
    assert(/^[\x20-\x3c\x3e-\x5b\x5d-\x7e]*$/.test(value), `the value of ${key} needs no escape but for colons`)
    return `${key}=${value.replaceAll(':', '\\:')}\n`
  })
  return lines.join('')
}

/** `hoodie.table.checksum`: CRC-32 of `<database>.<table>`, as decimal text (HoodieTableConfig.java of Apache Hudi). */
export function tableChecksum(database: string, table: string): string {
  return String(crc32(`${database}.${table}`))
}
