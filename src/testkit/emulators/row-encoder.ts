import { REFUSED, UNCONVERTIBLE, type ColumnCodec } from './column-types.ts'
import { scalarText } from './exact-json.ts'
import type { LoadPlan } from './load-plan.ts'
import type { Delta, KeyedChange } from './table.ts'

/** Errors kept for the error log of a load. */
const ERRORS_MAX = 100
/** Encoded rows are gathered into buffers of about this size. */
const CHUNK_BYTES = 1024 * 1024
const NEWLINE = 0x0a

/** Checks rows against their table and gathers them in stored form. */
export class RowEncoder {
  readonly errors: string[] = []
  filtered = 0
  unselected = 0
  readonly #plan: LoadPlan
  #columns: readonly ColumnCodec[] = []
  #prefixes: readonly string[] = []
  readonly #parts: string[] = []
  #rows = 0
  #chunk: Buffer = Buffer.alloc(0)
  #chunkBytes = 0
  #chunks: Buffer[] = []
  readonly #changes: KeyedChange[] = []
  readonly #openNames: Set<string>
  readonly #sent: ReadonlySet<string> | undefined

  constructor(plan: LoadPlan) {
    this.#plan = plan
    this.#sent = plan.fields === undefined ? undefined : new Set(plan.fields)
    this.#openNames = new Set(plan.table.columns.map((column) => column.name))
    this.#useColumns()
  }

  filter(reason: string): void {
    this.filtered += 1
    if (this.errors.length < ERRORS_MAX) this.errors.push(`Error: ${reason}`)
  }

  /** `fields` are the source's; `source` is the row's text for the error log. */
  add(fields: Readonly<Record<string, unknown>>, source: string): void {
    const plan = this.#plan
    if (plan.where !== undefined && !plan.where((name) => fields[name])) {
      this.unselected += 1
      return
    }
    if (plan.table.isOpen) this.#openColumns(fields)
    // Joined parts make a flat string; adding them up would keep every piece alive with the row.
    const parts = this.#parts
    parts.length = 0
    const columns = this.#columns
    const keyParts: string[] = []
    for (let i = 0; i < columns.length; i += 1) {
      const column = columns[i]
      if (column === undefined) break
      const encoded = this.#encode(column, this.#valueOf(column.name, fields))
      if (encoded === undefined) {
        this.filter(`Value for column '${column.name}' (${column.type}) is not acceptable. Row: [${source}]; `)
        return
      }
      parts.push(this.#prefixes[i] ?? '', encoded)
      if (plan.table.isKeyed && plan.table.keys.includes(column.name)) keyParts.push(encoded)
    }
    parts.push(columns.length === 0 ? '{}' : '}')
    const row = parts.join('')
    if (plan.table.isKeyed) this.#addChange(fields, row, keyParts, source)
    else this.#addRow(row)
  }

  finish(): Delta {
    this.#flush()
    const { isPartial, mergeCondition } = this.#plan
    return { rows: this.#rows, chunks: this.#chunks, changes: this.#changes, isPartial, mergeCondition }
  }

  /** The stored text, or undefined when the row has to be filtered. */
  #encode(column: ColumnCodec, value: unknown): string | undefined {
    if (value !== null && value !== undefined) {
      const encoded = column.encode(value)
      if (typeof encoded === 'string') return encoded
      if (encoded === REFUSED || (encoded === UNCONVERTIBLE && this.#plan.isStrict)) return undefined
    }
    return column.nullable ? 'null' : undefined
  }

  #valueOf(name: string, fields: Readonly<Record<string, unknown>>): unknown {
    const derivation = this.#plan.derivations.get(name)
    if (derivation === undefined) {
      // Fields that the `columns` header does not name are not read; the delete mark is the servers' exception.
      return this.#sent === undefined || this.#sent.has(name) || name === this.#plan.deleteField
        ? fields[name]
        : undefined
    }
    return 'field' in derivation ? fields[derivation.field] : derivation.literal
  }

  #addRow(row: string): void {
    this.#rows += 1
    const bytesMax = row.length * 3 + 1
    if (this.#chunkBytes + bytesMax > this.#chunk.length) {
      this.#flush()
      this.#chunk = Buffer.allocUnsafe(Math.max(CHUNK_BYTES, bytesMax))
    }
    this.#chunkBytes += this.#chunk.write(row, this.#chunkBytes)
    this.#chunk[this.#chunkBytes] = NEWLINE
    this.#chunkBytes += 1
  }

  #addChange(fields: Readonly<Record<string, unknown>>, row: string, keyParts: string[], source: string): void {
    const { deleteField, sequenceField, isDelete, deleteWhen } = this.#plan
    const mark = deleteField === undefined ? undefined : this.#valueOf(deleteField, fields)
    const isMarked = isDelete(mark === null || mark === undefined ? undefined : scalarText(mark))
    if (isMarked === undefined) return this.filter(`Value of '${deleteField}' is not an operation. Row: [${source}]; `)
    const isDeleted = isMarked || deleteWhen?.((name) => fields[name]) === true
    const sequence = sequenceField === undefined ? undefined : this.#valueOf(sequenceField, fields)
    this.#rows += 1
    this.#changes.push({
      key: keyParts.join(','),
      isDelete: isDeleted,
      row,
      ...(sequence === undefined || sequence === null ? {} : { sequence: scalarText(sequence) }),
    })
  }

  #flush(): void {
    if (this.#chunkBytes === 0) return
    const isNearlyFull = this.#chunkBytes * 2 > this.#chunk.length
    const used = this.#chunk.subarray(0, this.#chunkBytes)
    this.#chunks.push(isNearlyFull ? used : Buffer.from(used))
    this.#chunkBytes = 0
  }

  #useColumns(): void {
    const { table, isPartial, fields, derivations } = this.#plan
    const sent = isPartial && fields !== undefined ? new Set([...fields, ...derivations.keys()]) : undefined
    this.#columns = table.columns.filter((column) => sent === undefined || sent.has(column.name))
    this.#prefixes = this.#columns.map((column, i) => `${i === 0 ? '{' : ','}${JSON.stringify(column.name)}:`)
  }

  #openColumns(fields: Readonly<Record<string, unknown>>): void {
    let isChanged = false
    for (const name of Object.keys(fields)) {
      if (this.#openNames.has(name) || name === this.#plan.deleteField) continue
      this.#openNames.add(name)
      this.#plan.table.addColumn(name)
      isChanged = true
    }
    if (isChanged) this.#useColumns()
  }
}
