import { MillraceError } from '../../core/errors.ts'

/** A shard as ListShards shows it. */
export interface SlsShard {
  readonly id: number
  readonly isReadonly: boolean
  /** 32 hex digits; the range is [beginKey, endKey). */
  readonly beginKey: string
  readonly endKey: string
  /** Seconds since 1970; 0 when the service does not say. */
  readonly createTime: number
}

/** @throws MillraceError `DECODE` when the answer is no list of shards. */
export function parseShards(answer: unknown): SlsShard[] {
  if (!Array.isArray(answer)) throw unreadable('it is no list')
  return answer.map((entry: unknown) => {
    const { shardID, status, inclusiveBeginKey, exclusiveEndKey, createTime } = (entry ?? {}) as Record<string, unknown>
    if (typeof shardID !== 'number' || !Number.isSafeInteger(shardID)) throw unreadable('an entry has no shardID')
    if (status !== 'readwrite' && status !== 'readonly') throw unreadable(`shard ${shardID} has an unknown status`)
    return {
      id: shardID,
      isReadonly: status === 'readonly',
      beginKey: String(inclusiveBeginKey ?? '').toLowerCase(),
      endKey: String(exclusiveEndKey ?? '').toLowerCase(),
      createTime: typeof createTime === 'number' ? createTime : 0,
    }
  })
}

function unreadable(why: string): MillraceError {
  return new MillraceError(`listing the shards of an SLS logstore: the answer cannot be read, ${why}`, {
    code: 'DECODE',
    retry: 'halt',
  })
}

/**
 * The shards whose ranges a shard took over, which the service does not tell: older readonly shards that overlap it,
 * except where a shard between them took the range over first. Equal times happen, so ids decide: they only grow.
 */
export function parentsOf(child: SlsShard, shards: readonly SlsShard[]): SlsShard[] {
  const older = shards
    .filter((one) => one.isReadonly && one.id < child.id && one.createTime <= child.createTime && overlap(one, child))
    .sort((one, other) => other.id - one.id)
  const parents: SlsShard[] = []
  let open: Range[] = [[child.beginKey, child.endKey]]
  for (const shard of older) {
    const rest = open.flatMap((range) => without(range, [shard.beginKey, shard.endKey]))
    if (rest.join() === open.join()) continue
    parents.push(shard)
    open = rest
  }
  return parents
}

type Range = readonly [begin: string, end: string]

function overlap(one: SlsShard, other: SlsShard): boolean {
  return one.beginKey < other.endKey && other.beginKey < one.endKey
}

/** What is left of a range. Keys have one length, so their texts are in the order of their numbers. */
function without([begin, end]: Range, [from, to]: Range): Range[] {
  if (to <= begin || from >= end) return [[begin, end]]
  const left: Range[] = from > begin ? [[begin, from]] : []
  return to < end ? [...left, [to, end]] : left
}
