import { MillraceError } from '../../core/errors.ts'

/** Transactions of one origin, both ends inclusive. */
interface Interval {
  from: bigint
  to: bigint
}

/**
 * A set of transactions as MySQL writes it: `uuid[:tag]:1-5:7,uuid:1-3`. Gaps are kept: a set with its gaps flattened
 * claims transactions that were never read. Origins are `uuid` or `uuid:tag` (tags since 8.3) in lower case.
 */
export class GtidSet {
  readonly #origins = new Map<string, Interval[]>()

  static parse(text: string): GtidSet {
    const set = new GtidSet()
    for (const part of text.split(',')) {
      if (part.trim() !== '') set.#parsePart(part.trim())
    }
    return set
  }

  /** Adds one transaction. */
  add(origin: string, number: bigint): void {
    this.#addInterval(origin, number, number)
  }

  has(origin: string, number: bigint): boolean {
    return (this.#origins.get(origin) ?? []).some(({ from, to }) => from <= number && number <= to)
  }

  /** Every transaction of the other is in this one. */
  contains(other: GtidSet): boolean {
    return other
      .#intervals()
      .every(([origin, wanted]) =>
        (this.#origins.get(origin) ?? []).some(({ from, to }) => from <= wanted.from && wanted.to <= to),
      )
  }

  get isEmpty(): boolean {
    return this.#origins.size === 0
  }

  clone(): GtidSet {
    return GtidSet.parse(this.toString())
  }

  /** Origins in alphabetical order, as the server prints them. */
  toString(): string {
    const parts: string[] = []
    for (const origin of [...this.#origins.keys()].toSorted()) {
      const intervals = (this.#origins.get(origin) ?? []).map(({ from, to }) =>
        from === to ? String(from) : `${from}-${to}`,
      )
      parts.push(`${origin}:${intervals.join(':')}`)
    }
    return parts.join(',')
  }

  /** The sets as COM_BINLOG_DUMP_GTID wants them (libs/mysql/gtid, `Gtid_set::encode`): tagged ones have another form. */
  encode(): Buffer {
    const origins = [...this.#origins.keys()].toSorted()
    const isTagged = origins.some((origin) => origin.length > UUID_LENGTH)
    const parts: Buffer[] = [headerOf(origins.length, isTagged)]
    for (const origin of origins) {
      const intervals = this.#origins.get(origin) ?? []
      parts.push(Buffer.from(origin.slice(0, UUID_LENGTH).replaceAll('-', ''), 'hex'))
      if (isTagged) parts.push(encodeTag(origin.slice(UUID_LENGTH + 1)))
      const body = Buffer.alloc(8 + intervals.length * 16)
      body.writeBigUInt64LE(BigInt(intervals.length), 0)
      intervals.forEach(({ from, to }, index) => {
        body.writeBigUInt64LE(from, 8 + index * 16)
        body.writeBigUInt64LE(to + 1n, 16 + index * 16)
      })
      parts.push(body)
    }
    return Buffer.concat(parts)
  }

  #intervals(): [string, Interval][] {
    return [...this.#origins].flatMap(([origin, list]) => list.map((one): [string, Interval] => [origin, one]))
  }

  #parsePart(part: string): void {
    const [uuid = '', ...rest] = part.toLowerCase().replace(/\s+/g, '').split(':')
    if (!UUID.test(uuid) || rest.length === 0) throw broken(part)
    let origin = uuid
    for (const word of rest) {
      const match = /^(\d+)(?:-(\d+))?$/.exec(word)
      if (match === null) {
        // After a tag the numbers belong to it: `uuid:1-5:tag:1-3`.
        if (!/^[a-z_][a-z0-9_]{0,31}$/.test(word)) throw broken(part)
        origin = `${uuid}:${word}`
        continue
      }
      const from = BigInt(match[1] ?? '0')
      const to = BigInt(match[2] ?? match[1] ?? '0')
      if (from < 1n || to < from) throw broken(part)
      this.#addInterval(origin, from, to)
    }
  }

  #addInterval(origin: string, from: bigint, to: bigint): void {
    const list = this.#origins.get(origin)
    if (list === undefined) {
      this.#origins.set(origin, [{ from, to }])
      return
    }
    const last = list[list.length - 1]
    // Nearly always the next one of the same origin.
    if (last !== undefined && from === last.to + 1n) {
      last.to = to
      return
    }
    list.push({ from, to })
    list.sort((a, b) => (a.from < b.from ? -1 : a.from > b.from ? 1 : 0))
    const merged: Interval[] = []
    for (const one of list) {
      const before = merged[merged.length - 1]
      if (before === undefined || one.from > before.to + 1n) merged.push({ ...one })
      else if (one.to > before.to) before.to = one.to
    }
    this.#origins.set(origin, merged)
  }
}

const UUID_LENGTH = 36
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** Without tags the number of origins in 8 bytes; with tags it stands in bytes 1–6, between two format bytes. */
function headerOf(origins: number, isTagged: boolean): Buffer {
  const header = Buffer.alloc(8)
  if (!isTagged) {
    header.writeBigUInt64LE(BigInt(origins), 0)
    return header
  }
  header.writeUInt8(1, 0)
  header.writeUIntLE(origins, 1, 6)
  header.writeUInt8(1, 7)
  return header
}

/** A tag with its length in the variable-length code of the server's serializer, which for up to 63 is twice the length. */
function encodeTag(tag: string): Buffer {
  const bytes = Buffer.from(tag, 'latin1')
  return Buffer.concat([Buffer.from([bytes.length << 1]), bytes])
}

function broken(text: string): MillraceError {
  return new MillraceError(`reading a GTID set: ${JSON.stringify(text.slice(0, 80))} is none`, { code: 'CONFIG' })
}
