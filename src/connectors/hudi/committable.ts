import type { JsonObject } from '../../core/json.ts'
import { assert } from '../../core/assert.ts'
import type { WriteStat } from './commit-metadata.ts'
import type { MergeSource, PreparedCommit } from './prepared-commit.ts'
import type { Instant } from './instant.ts'
import type { Owner } from './owner.ts'

/** What the lanes need to write for a checkpoint: the instant that is kept for it, and whose it will be. */
export interface Ticket {
  readonly instant: Instant
  readonly owner: Owner
}

export function ticketToJson({ instant, owner }: Ticket): JsonObject {
  return { instant, owner: { ...owner } }
}

export function ticketFromJson(json: JsonObject): Ticket {
  const { instant, owner } = json
  assert(typeof instant === 'string', 'a ticket has an instant')
  return { instant, owner: ownerFromJson(owner) }
}

/** A lane's part of a commit: the ticket and the lane's files. */
export function partToJson(ticket: Ticket, stats: readonly WriteStat[]): JsonObject {
  return { ticket: ticketToJson(ticket), stats: stats.map((stat) => ({ ...stat })) }
}

export function partFromJson(json: JsonObject): { readonly ticket: Ticket; readonly stats: readonly WriteStat[] } {
  assert(isObject(json['ticket']), 'a part has a ticket')
  return { ticket: ticketFromJson(json['ticket']), stats: statsFromJson(json['stats']) }
}

export function preparedToJson({ instant, owner, avroSchema, stats, merge }: PreparedCommit): JsonObject {
  const common = { version: 1, instant, owner: { ...owner }, avroSchema, stats: stats.map((stat) => ({ ...stat })) }
  if (merge === undefined) return common
  const { inputs, chosenAt } = merge
  return { ...common, merge: { inputs: inputs.map((input) => ({ ...input })), chosenAt } }
}

export function preparedFromJson(json: JsonObject): PreparedCommit {
  const { version, instant, avroSchema } = json
  assert(version === 1, `the committable's version is 1, not ${String(version)}`)
  assert(typeof instant === 'string' && typeof avroSchema === 'string', 'a committable has an instant and a schema')
  const { merge } = json
  return {
    instant,
    avroSchema,
    owner: ownerFromJson(json['owner']),
    stats: statsFromJson(json['stats']),
    ...(merge === undefined ? {} : { merge: mergeFromJson(merge) }),
  }
}

function mergeFromJson(json: JsonObject[string]): MergeSource {
  assert(isObject(json), 'a merge is an object')
  const { inputs, chosenAt } = json
  assert(typeof chosenAt === 'string' && Array.isArray(inputs), 'a merge has inputs and says when they were chosen')
  return {
    chosenAt,
    inputs: inputs.map((each: unknown) => {
      assert(isObject(each), 'an input is an object')
      const { fileId, path, partitionPath, bytes } = each
      assert(typeof fileId === 'string' && typeof path === 'string', 'an input has an id and a path')
      assert(typeof partitionPath === 'string' && typeof bytes === 'number', 'an input has a partition and a size')
      return { fileId, path, partitionPath, bytes }
    }),
  }
}

function ownerFromJson(json: JsonObject[string] | undefined): Owner {
  assert(isObject(json), 'an owner is an object')
  const { job, sink, epoch, checkpoint } = json
  assert(typeof job === 'string' && typeof sink === 'string', 'an owner has a job and a sink')
  assert(typeof epoch === 'number' && typeof checkpoint === 'number', 'an owner has an epoch and a checkpoint')
  return { job, sink, epoch, checkpoint }
}

function statsFromJson(json: JsonObject[string] | undefined): readonly WriteStat[] {
  assert(Array.isArray(json), 'write statistics are a list')
  return json.map((each: unknown) => {
    assert(isObject(each), 'a write statistic is an object')
    const { fileId, path, partitionPath, rows, bytes } = each
    assert(typeof fileId === 'string' && typeof path === 'string', 'a file has an id and a path')
    assert(typeof partitionPath === 'string', 'a file has a partition')
    assert(typeof rows === 'number' && typeof bytes === 'number', 'a file has rows and bytes')
    return { fileId, path, partitionPath, rows, bytes }
  })
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
