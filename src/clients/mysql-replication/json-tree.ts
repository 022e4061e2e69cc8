import { MillraceError } from '../../core/errors.ts'
import { JSON_KIND, variableLength } from './binary-json.ts'

/*
 * A document of MySQL's binary JSON that parts are put into. What no path leads through stays the bytes that it was: a
 * container's offsets count from its own beginning, so that it can be copied as it is.
 */

/** A value: its kind, and its bytes from the first one behind the kind on. */
interface Bytes {
  readonly kind: number
  readonly bytes: Buffer
}

export type JsonTree = Bytes | { readonly items: JsonTree[] } | { readonly members: Member[] }

interface Member {
  readonly key: Buffer
  value: JsonTree
}

/** A step of a path: a member's name, or a place in an array. */
export type PathStep = string | number

const SIZES: Readonly<Record<number, number>> = {
  [JSON_KIND.literal]: 1,
  [JSON_KIND.int16]: 2,
  [JSON_KIND.uint16]: 2,
  [JSON_KIND.int32]: 4,
  [JSON_KIND.uint32]: 4,
  [JSON_KIND.int64]: 8,
  [JSON_KIND.uint64]: 8,
  [JSON_KIND.double]: 8,
}

export function treeOf(document: Buffer): JsonTree {
  return valueAt(document, document.readUInt8(0), 1)
}

export function documentOf(tree: JsonTree): Buffer {
  const { kind, bytes } = written(tree)
  return Buffer.concat([Buffer.of(kind), bytes])
}

/** The tree with another value at the end of a path, which has to be there. */
export function replaced(tree: JsonTree, path: readonly PathStep[], value: JsonTree): JsonTree {
  const [step, ...rest] = path
  if (step === undefined) return value
  const open = opened(tree)
  if ('items' in open) open.items[placeIn(open.items, step)] = replaced(childOf(open.items, step), rest, value)
  else {
    const member = memberOf(open.members, step)
    member.value = replaced(member.value, rest, value)
  }
  return open
}

/** The tree with a value more: a new member, or in an array in front of what is at that place. */
export function inserted(tree: JsonTree, path: readonly PathStep[], value: JsonTree): JsonTree {
  return changedAtEnd(tree, path, (open, step) => {
    if ('items' in open) open.items.splice(Number(step), 0, value)
    else {
      const key = Buffer.from(String(step))
      const at = open.members.findIndex((member) => compareKeys(member.key, key) > 0)
      open.members.splice(at < 0 ? open.members.length : at, 0, { key, value })
    }
  })
}

export function removed(tree: JsonTree, path: readonly PathStep[]): JsonTree {
  return changedAtEnd(tree, path, (open, step) => {
    if ('items' in open) open.items.splice(placeIn(open.items, step), 1)
    else open.members.splice(open.members.indexOf(memberOf(open.members, step)), 1)
  })
}

type Open = Exclude<JsonTree, Bytes>

function changedAtEnd(
  tree: JsonTree,
  path: readonly PathStep[],
  change: (open: Open, step: PathStep) => void,
): JsonTree {
  const [step, ...rest] = path
  if (step === undefined) throw broken('has a change without a place')
  const open = opened(tree)
  if (rest.length === 0) change(open, step)
  else if ('items' in open)
    open.items[placeIn(open.items, step)] = changedAtEnd(childOf(open.items, step), rest, change)
  else {
    const member = memberOf(open.members, step)
    member.value = changedAtEnd(member.value, rest, change)
  }
  return open
}

function placeIn(items: readonly JsonTree[], step: PathStep): number {
  if (typeof step !== 'number' || step >= items.length) throw broken('does not have the place of a change')
  return step
}

function childOf(items: readonly JsonTree[], step: PathStep): JsonTree {
  const child = items[placeIn(items, step)]
  if (child === undefined) throw broken('does not have the place of a change')
  return child
}

function memberOf(members: readonly Member[], step: PathStep): Member {
  const found = members.find(({ key }) => key.toString() === step)
  if (found === undefined) throw broken('does not have the member of a change')
  return found
}

/** Members of an object are in the order of their keys: shorter ones first, then by bytes (sql-common/json_dom.cc). */
function compareKeys(one: Buffer, other: Buffer): number {
  return one.length - other.length || Buffer.compare(one, other)
}

/** A container with its members apart. */
function opened(tree: JsonTree): Open {
  if (!('kind' in tree)) return tree
  const { kind, bytes } = tree
  const isObject = kind === JSON_KIND.smallObject || kind === JSON_KIND.largeObject
  if (!isObject && kind !== JSON_KIND.smallArray && kind !== JSON_KIND.largeArray)
    throw broken('has a single value where a change goes into it')
  const isLarge = kind === JSON_KIND.largeObject || kind === JSON_KIND.largeArray
  const uint = (at: number): number => (isLarge ? bytes.readUInt32LE(at) : bytes.readUInt16LE(at))
  const word = isLarge ? 4 : 2
  const count = uint(0)
  const keys = 2 * word
  const values = keys + (isObject ? count * (word + 2) : 0)
  const items = Array.from({ length: count }, (_, index) => {
    const entry = values + index * (word + 1)
    const inner = bytes.readUInt8(entry)
    return valueAt(bytes, inner, isInline(inner, isLarge) ? entry + 1 : uint(entry + 1))
  })
  if (!isObject) return { items }
  return {
    members: items.map((value, index) => {
      const entry = keys + index * (word + 2)
      const start = uint(entry)
      return { key: bytes.subarray(start, start + bytes.readUInt16LE(entry + word)), value }
    }),
  }
}

function isInline(kind: number, isLarge: boolean): boolean {
  const { literal, int16, uint16, int32, uint32 } = JSON_KIND
  if (kind === literal || kind === int16 || kind === uint16) return true
  return isLarge && (kind === int32 || kind === uint32)
}

function valueAt(bytes: Buffer, kind: number, at: number): Bytes {
  return { kind, bytes: bytes.subarray(at, at + sizeOf(bytes, kind, at)) }
}

function sizeOf(bytes: Buffer, kind: number, at: number): number {
  switch (kind) {
    case JSON_KIND.smallObject:
    case JSON_KIND.smallArray:
      return bytes.readUInt16LE(at + 2)
    case JSON_KIND.largeObject:
    case JSON_KIND.largeArray:
      return bytes.readUInt32LE(at + 4)
    case JSON_KIND.string: {
      const [length, start] = variableLength(bytes, at)
      return start - at + length
    }
    case JSON_KIND.opaque: {
      const [length, start] = variableLength(bytes, at + 1)
      return start - at + length
    }
    default: {
      const size = SIZES[kind]
      if (size === undefined) throw broken(`has a value of the unknown kind ${kind}`)
      return size
    }
  }
}

/** Containers that were opened are written in the large form, which everything fits into. */
function written(tree: JsonTree): Bytes {
  if ('kind' in tree) return tree
  const isObject = 'members' in tree
  const keys = isObject ? tree.members.map(({ key }) => key) : []
  const values = (isObject ? tree.members.map(({ value }) => value) : tree.items).map(written)
  const head = Buffer.alloc(8 + keys.length * 6 + values.length * 5)
  const parts: Buffer[] = [head]
  let end = head.length
  head.writeUInt32LE(values.length, 0)
  for (const [index, key] of keys.entries()) {
    head.writeUInt32LE(end, 8 + index * 6)
    head.writeUInt16LE(key.length, 12 + index * 6)
    parts.push(key)
    end += key.length
  }
  for (const [index, { kind, bytes }] of values.entries()) {
    const entry = 8 + keys.length * 6 + index * 5
    head.writeUInt8(kind, entry)
    if (isInline(kind, true)) bytes.copy(head, entry + 1)
    else {
      head.writeUInt32LE(end, entry + 1)
      parts.push(bytes)
      end += bytes.length
    }
  }
  head.writeUInt32LE(end, 4)
  return { kind: isObject ? JSON_KIND.largeObject : JSON_KIND.largeArray, bytes: Buffer.concat(parts) }
}

function broken(what: string): MillraceError {
  return new MillraceError(`putting a part into a JSON document of the binlog: the document ${what}`, {
    code: 'DECODE',
  })
}
