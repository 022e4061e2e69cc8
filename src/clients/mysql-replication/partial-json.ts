import { MillraceError } from '../../core/errors.ts'
import { documentOf, inserted, removed, replaced, treeOf, type JsonTree, type PathStep } from './json-tree.ts'
import { PacketFields } from './packet-fields.ts'
import { FORM, type ColumnLayout } from './row-layout.ts'

/*
 * Updates of which the log has the changed parts of JSON documents only (binlog_row_value_options=PARTIAL_JSON): event 39,
 * libs/mysql/binlog/event/rows_event.h, `Partial_update_rows_event`. The row as it was stands before each, so that the
 * whole document can be put together.
 */

const OPERATION = { replace: 0, insert: 1, remove: 2 } as const
/** A row has parts of documents, and says of which columns. */
const HAS_PARTS = 1
const EMPTY = Buffer.alloc(4)

/** The images of an update's rows as an event without parts has them. */
export function wholeImages(columns: readonly ColumnLayout[], image: Buffer, from: number): Buffer {
  const parts: Buffer[] = []
  const nullBytes = (columns.length + 7) >> 3
  const documents = columns.filter(({ form }) => form === FORM.json).length
  for (let at = from; at < image.length;) {
    const before = valuesOf(columns, image, at)
    parts.push(image.subarray(at, before.end))
    const fields = new PacketFields(image, before.end)
    const hasParts = (fields.length() & HAS_PARTS) !== 0
    const isPart = hasParts ? bitsOf(fields.take((documents + 7) >> 3)) : () => false
    const after = valuesOf(columns, image, fields.at)
    parts.push(image.subarray(fields.at, fields.at + nullBytes))
    let document = 0
    for (const [index, column] of columns.entries()) {
      const [start, end] = after.values[index] ?? [0, 0]
      const isChanged = column.form === FORM.json && isPart(document++) && end > start
      if (!isChanged) parts.push(image.subarray(start, end))
      else parts.push(...wholeDocument(column, image, before.values[index], start + column.size, end))
    }
    at = after.end
  }
  return Buffer.concat(parts)
}

type Place = readonly [start: number, end: number]

function wholeDocument(
  { size, prefix }: ColumnLayout,
  image: Buffer,
  before: Place | undefined,
  from: number,
  to: number,
): Buffer[] {
  // Nobody reads it.
  if (prefix === undefined) return [EMPTY.subarray(0, size)]
  const [start, end] = before ?? [0, 0]
  if (end - start <= size) throw broken('there is no document before the change')
  const document = documentOf(changed(treeOf(image.subarray(start + size, end)), image.subarray(from, to)))
  const length = Buffer.alloc(size)
  length.writeUIntLE(document.length, 0, size)
  return [length, document]
}

/** Operation, path with its length in front, and, unless something is removed, the value with its length in front. */
function changed(before: JsonTree, diffs: Buffer): JsonTree {
  const fields = new PacketFields(diffs)
  let tree = before
  while (!fields.isAtEnd) {
    const operation = fields.take(1)[0]
    const path = pathOf(fields.take(fields.length()).toString('utf8'))
    if (operation === OPERATION.remove) {
      tree = removed(tree, path)
      continue
    }
    const value = treeOf(fields.take(fields.length()))
    if (operation === OPERATION.replace) tree = replaced(tree, path, value)
    else if (operation === OPERATION.insert) tree = inserted(tree, path, value)
    else throw broken(`there is the unknown operation ${operation}`)
  }
  return tree
}

/** `$.name[3]."a name"`: names in quotes are JSON texts. */
export function pathOf(text: string): PathStep[] {
  const step = /\.("(?:[^"\\]|\\.)*"|[^.["]+)|\[(\d+)\]/uy
  if (!text.startsWith('$')) throw broken('a path does not begin with $')
  const steps: PathStep[] = []
  step.lastIndex = 1
  while (step.lastIndex < text.length) {
    const match = step.exec(text)
    if (match === null) throw broken('a path has a step that is neither a name nor a number')
    const [, name, place] = match
    if (name === undefined) steps.push(Number(place))
    else steps.push(name.startsWith('"') ? (JSON.parse(name) as string) : name)
  }
  return steps
}

/** Where each column's value stands, with its length in front; of a NULL nothing. */
function valuesOf(columns: readonly ColumnLayout[], image: Buffer, from: number): { values: Place[]; end: number } {
  const isNull = bitsOf(image.subarray(from))
  let at = from + ((columns.length + 7) >> 3)
  const values = columns.map((column, index): Place => {
    const start = at
    if (isNull(index)) return [start, start]
    at += column.isLengthPrefixed ? column.size + image.readUIntLE(at, column.size) : column.size
    return [start, at]
  })
  return { values, end: at }
}

function bitsOf(bytes: Buffer): (index: number) => boolean {
  return (index) => ((bytes[index >> 3] ?? 0) & (1 << (index & 7))) !== 0
}

function broken(what: string): MillraceError {
  return new MillraceError(`reading an update of a JSON document from the binlog: ${what}`, { code: 'DECODE' })
}
