import type { JsonObject } from '../../core/json.ts'
import type { SplitAssignment } from '../../core/source.ts'
import { cursorPosition, type PulledLogs } from '../../clients/sls/index.ts'
import { groupNumber, positionFromJson, splitFromJson, type SlsPosition, type SlsSplit } from './split.ts'

/** One shard while it is read: where pulling stands, and what was pulled and waits. */
export class ShardFeed {
  readonly assignment: SplitAssignment
  readonly split: SlsSplit
  /** The first group that is not wanted any more. */
  readonly until: SlsPosition | undefined
  readonly untilNumber: bigint | undefined
  /** What the next pull goes on with. */
  position: SlsPosition
  /** Where the last batch ended that was given out. */
  emitted: JsonObject
  pulled: PulledLogs | undefined
  isPulling = false
  /** No pull before this time, in milliseconds since 1970. */
  dueAt = 0
  /** Answers in a row that could not be used, and that were empty. */
  damaged = 0
  idle = 0
  /** The end cursor of a readonly shard, and when it was seen first. */
  sealed: { readonly cursor: string; readonly at: number } | undefined
  /** Nothing is left to pull. */
  isDone = false
  /** Bytes of the last answer: the next one is expected to be about as large. */
  expectedBytes: number = 1024 * 1024

  constructor(assignment: SplitAssignment) {
    this.assignment = assignment
    this.split = splitFromJson(assignment.spec)
    this.position = positionFromJson(assignment.at)
    this.emitted = assignment.at
    if (assignment.until === undefined) return
    this.until = positionFromJson(assignment.until)
    this.untilNumber = groupNumber(this.until)
    this.isDone = this.isAtEnd
  }

  get shard(): number {
    return this.split.shard
  }

  /** Number of the group that comes next, where cursors are numbers. */
  get wanted(): bigint | undefined {
    return groupNumber(this.position)
  }

  /** Bytes that this feed holds, or will hold. */
  get heldBytes(): number {
    return this.isPulling ? this.expectedBytes : (this.pulled?.body.length ?? 0)
  }

  /** True when a bounded read has nothing to read. */
  get isAtEnd(): boolean {
    const { until, untilNumber, wanted } = this
    if (until === undefined) return false
    if (untilNumber !== undefined && wanted !== undefined) return wanted >= untilNumber
    return this.position.cursor === until.cursor
  }

  /** The cursor that is reached, when it is a number. */
  get cursorNumber(): bigint | undefined {
    return cursorPosition(this.position.cursor)
  }
}
