import { keyOrder, sameBytes } from './key-bytes.ts'
import type { RowCursor } from './row-cursor.ts'

/** Marks an entry whose key is to be deleted, in the place of the length of its row. */
const DELETED = -1
/** What a page begins with: there may be one for each of many tables. Both double. */
const ENTRIES = 64
const BYTES = 4096

/**
 * Rows that travel together: of each key the last change, whatever came before it. Texts are bytes in one buffer, behind
 * each other, and an entry is a few numbers; a page that was sent is cleared and filled again.
 */
export class Page {
  #bytes: Buffer = Buffer.allocUnsafeSlow(BYTES)
  #end = 0
  /** Bytes of texts that were replaced by longer ones. */
  #dead = 0
  #count = 0
  #deletes = 0
  #size = 0
  /* By entry: where its key begins, how long key and row are, and how many bytes both may take. */
  #at = new Int32Array(ENTRIES)
  #keyBytes = new Int32Array(ENTRIES)
  #rowBytes = new Int32Array(ENTRIES)
  #room = new Int32Array(ENTRIES)
  #hashes = new Int32Array(ENTRIES)
  /** Open addressing by the key's hash: the number of an entry, from 1 on. */
  #places = new Int32Array(ENTRIES * 2)
  /** Entries in the order of their keys: writers that meet never meet crosswise. */
  #order: Uint32Array | undefined

  get rows(): number {
    return this.#count
  }

  get puts(): number {
    return this.#count - this.#deletes
  }

  get deletes(): number {
    return this.#deletes
  }

  /** Bytes of the rows to put and the keys to delete. */
  get size(): number {
    return this.#size
  }

  /** Takes the row of a key in the place of what came before; `prefix` (ASCII) stands in front of its text. */
  put(row: RowCursor, prefix: string = ''): void {
    this.#set(this.#find(row), row, prefix, prefix.length + row.end - row.rowAt)
  }

  delete(row: RowCursor): void {
    this.#set(this.#find(row), row, '', DELETED)
  }

  /** Takes a row without a key, behind those before it. */
  append(row: RowCursor, prefix: string): void {
    this.#set(this.#newEntry(), row, prefix, prefix.length + row.end - row.rowAt)
  }

  /** The rows to put as one text, or the keys to delete; both in the order of their keys. */
  join(what: 'rows' | 'keys', [before, between, after]: readonly [string, string, string]): Buffer {
    const [isRows, [first, middle, last]] = [what === 'rows', [before, between, after].map((text) => Buffer.from(text))]
    if (first === undefined || middle === undefined || last === undefined) return Buffer.alloc(0)
    const count = isRows ? this.puts : this.#deletes
    const size = this.#sizeOf(isRows) + first.length + last.length + Math.max(0, count - 1) * middle.length
    const target = Buffer.allocUnsafe(size)
    let end = first.copy(target)
    let left = count
    for (const entry of this.#sorted()) {
      const rowBytes = this.#rowBytes[entry] ?? DELETED
      if (isRows === (rowBytes === DELETED)) continue
      const keyBytes = this.#keyBytes[entry] ?? 0
      const from = (this.#at[entry] ?? 0) + (isRows ? keyBytes : 0)
      end += this.#bytes.copy(target, end, from, from + (isRows ? rowBytes : keyBytes))
      if (--left > 0) for (let at = 0; at < middle.length; at++) target[end++] = middle[at] ?? 0
    }
    last.copy(target, end)
    return target
  }

  clear(): void {
    this.#places.fill(0)
    this.#order = undefined
    this.#count = this.#deletes = this.#size = this.#end = this.#dead = 0
  }

  #sizeOf(isRows: boolean): number {
    let bytes = 0
    for (let entry = 0; entry < this.#count; entry++) {
      const rowBytes = this.#rowBytes[entry] ?? DELETED
      if (isRows !== (rowBytes === DELETED)) bytes += isRows ? rowBytes : (this.#keyBytes[entry] ?? 0)
    }
    return bytes
  }

  #sorted(): Uint32Array {
    return (this.#order ??= keyOrder(this.#bytes, this.#at, this.#keyBytes, this.#count))
  }

  /** The entry of the row's key, a new one where there is none. */
  #find({ buffer, keyAt, rowAt, hash }: RowCursor): number {
    const mask = this.#places.length - 1
    let place = Math.imul(hash, 0x9e3779b1) & mask
    for (let number = this.#places[place] ?? 0; number !== 0; number = this.#places[place] ?? 0) {
      const entry = number - 1
      const isSame =
        this.#hashes[entry] === hash &&
        this.#keyBytes[entry] === rowAt - keyAt &&
        sameBytes(this.#bytes, this.#at[entry] ?? 0, buffer, keyAt, rowAt)
      if (isSame) return entry
      place = (place + 1) & mask
    }
    const entry = this.#newEntry()
    this.#hashes[entry] = hash
    // Growing has put the others into new places.
    if (this.#places.length - 1 === mask) this.#places[place] = entry + 1
    else this.#enter(entry)
    return entry
  }

  #newEntry(): number {
    if (this.#count === this.#at.length) this.#growEntries()
    const entry = this.#count++
    this.#room[entry] = this.#keyBytes[entry] = this.#rowBytes[entry] = 0
    this.#order = undefined
    return entry
  }

  #enter(entry: number): void {
    const mask = this.#places.length - 1
    let place = Math.imul(this.#hashes[entry] ?? 0, 0x9e3779b1) & mask
    while (this.#places[place] !== 0) place = (place + 1) & mask
    this.#places[place] = entry + 1
  }

  #set(entry: number, row: RowCursor, prefix: string, rowBytes: number): void {
    const { buffer, keyAt, rowAt, end } = row
    const keyBytes = rowAt - keyAt
    const isNew = this.#room[entry] === 0
    const before = this.#rowBytes[entry] ?? 0
    if (!isNew) {
      this.#size -= before === DELETED ? keyBytes : before
      if (before === DELETED) this.#deletes--
    }
    if (rowBytes === DELETED) this.#deletes++
    this.#size += rowBytes === DELETED ? keyBytes : rowBytes
    const needed = keyBytes + Math.max(0, rowBytes)
    if (needed > (this.#room[entry] ?? 0) || isNew) this.#place(entry, needed)
    this.#keyBytes[entry] = keyBytes
    this.#rowBytes[entry] = rowBytes
    const at = this.#at[entry] ?? 0
    if (rowBytes === DELETED || prefix !== '') {
      buffer.copy(this.#bytes, at, keyAt, rowAt)
      if (rowBytes === DELETED) return
      this.#bytes.write(prefix, at + keyBytes, 'latin1')
      buffer.copy(this.#bytes, at + keyBytes + prefix.length, rowAt, end)
    } else {
      // Key and row are neighbours where they come from.
      buffer.copy(this.#bytes, at, keyAt, end)
    }
  }

  /** Gives an entry so many bytes at the end of the buffer. */
  #place(entry: number, needed: number): void {
    this.#dead += this.#room[entry] ?? 0
    // Not to be carried along when the buffer is made anew.
    this.#room[entry] = 0
    if (this.#end + needed > this.#bytes.length) this.#makeRoom(needed)
    this.#at[entry] = this.#end
    this.#room[entry] = Math.max(1, needed)
    this.#end += Math.max(1, needed)
  }

  /** A buffer that holds the living texts and this much more; hot keys do not make it grow without end. */
  #makeRoom(needed: number): void {
    const living = this.#end - this.#dead
    const length = Math.max(this.#bytes.length, 2 * (living + needed))
    const target = Buffer.allocUnsafeSlow(length)
    let end = 0
    for (let entry = 0; entry < this.#count; entry++) {
      const room = this.#room[entry] ?? 0
      const at = this.#at[entry] ?? 0
      this.#bytes.copy(target, end, at, at + room)
      this.#at[entry] = end
      end += room
    }
    this.#bytes = target
    this.#end = end
    this.#dead = 0
  }

  #growEntries(): void {
    const length = this.#at.length * 2
    this.#at = grown(this.#at, length)
    this.#keyBytes = grown(this.#keyBytes, length)
    this.#rowBytes = grown(this.#rowBytes, length)
    this.#room = grown(this.#room, length)
    this.#hashes = grown(this.#hashes, length)
    this.#places = new Int32Array(length * 2)
    for (let entry = 0; entry < this.#count; entry++) this.#enter(entry)
  }
}

function grown(numbers: Int32Array, length: number): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(length)
  larger.set(numbers)
  return larger
}
