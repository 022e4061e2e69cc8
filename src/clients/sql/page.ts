/** Rows that travel together: of each key the last change, whatever came before it. */
export class Page {
  /** `undefined` for a key that is to be deleted. */
  readonly #rows = new Map<string, string | undefined>()
  #bytes = 0

  get rows(): number {
    return this.#rows.size
  }

  /** Characters of its texts; bytes of a statement, as long as they are ASCII. */
  get size(): number {
    return this.#bytes
  }

  put(key: string, row: string): void {
    this.#bytes += row.length - (this.#rows.get(key)?.length ?? -key.length)
    this.#rows.set(key, row)
  }

  delete(key: string): void {
    this.#bytes += key.length - (this.#rows.get(key)?.length ?? 0)
    this.#rows.set(key, undefined)
  }

  /** Rows to put and keys to delete, in the order of their keys: writers that meet never meet crosswise. */
  sorted(): { readonly puts: readonly string[]; readonly deletes: readonly string[] } {
    const keys = [...this.#rows.keys()].sort(byLengthAndText)
    const puts: string[] = []
    const deletes: string[] = []
    for (const key of keys) {
      const row = this.#rows.get(key)
      if (row === undefined) deletes.push(key)
      else puts.push(row)
    }
    return { puts, deletes }
  }
}

/** For keys that are whole numbers this is their own order. */
function byLengthAndText(one: string, other: string): number {
  if (one.length !== other.length) return one.length - other.length
  return one < other ? -1 : one > other ? 1 : 0
}

/** Which of `count` connections a key belongs to (FNV-1a, 32 bits): the same one for as long as the writer lives. */
export function shardOf(key: string, count: number): number {
  let value = 0x811c9dc5
  for (let at = 0; at < key.length; at++) value = Math.imul(value ^ key.charCodeAt(at), 0x01000193)
  return (value >>> 0) % count
}
