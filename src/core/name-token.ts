import { createHash } from 'node:crypto'

const BYTES_MAX = 32

/** Eight characters of 0-9a-z: 41 bits of SHA-256, the same whether a server compares with or without case. */
export function hash8(text: string): string {
  const bits = createHash('sha256').update(text, 'utf8').digest().readBigUInt64BE()
  return (bits % 36n ** 8n).toString(36).padStart(8, '0')
}

/** A user's name as a part of names in other systems: as it is when short and plain, else a readable rest with a hash behind two hyphens. */
export function nameToken(name: string): string {
  if (/^[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*$/.test(name) && name.length <= BYTES_MAX) return name
  const readable = name.replace(/[^A-Za-z0-9]+/g, '-').slice(0, BYTES_MAX - 10)
  return `${readable}--${hash8(name)}`
}
