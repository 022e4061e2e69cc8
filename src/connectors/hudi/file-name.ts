import { createHash } from 'node:crypto'
import { assert } from '../../core/assert.ts'
import type { Instant } from './instant.ts'
import type { Owner } from './owner.ts'

/** `<fileId>_<writeToken>_<instant>.parquet` (FSUtils.java of Apache Hudi). No part contains an underscore. */
export interface DataFileName {
  readonly fileId: string
  readonly writeToken: string
  readonly instant: Instant
}

export interface DataFileIdentity {
  readonly table: string
  readonly owner: Owner
  readonly instant: Instant
  readonly lane: number
  readonly lanes: number
  /** Number of the file within this lane and instant. */
  readonly sequence: number
}

/**
 * The name of a lane's n-th file. The same work gets the same name again after a crash, so that a repeated write meets
 * its own file instead of leaving a second one.
 */
export function dataFileName(identity: DataFileIdentity): DataFileName {
  const { table, owner, instant, lane, lanes, sequence } = identity
  const name = JSON.stringify([table, owner.job, owner.sink, owner.epoch, owner.checkpoint, instant, lane])
  return {
    fileId: `${uuidV5(MILLRACE_NAMESPACE, name)}-${sequence}`,
    writeToken: `${lane}-${lanes}-${owner.epoch}`,
    instant,
  }
}

export function formatDataFileName({ fileId, writeToken, instant }: DataFileName): string {
  return `${fileId}_${writeToken}_${instant}.parquet`
}

/** Takes the name of a base file apart, `undefined` when it is none. */
export function parseDataFileName(name: string): DataFileName | undefined {
  const parts = /^([a-zA-Z0-9-]+)_([a-zA-Z0-9-]+)_([0-9]+)\.parquet$/.exec(name)
  if (parts === null) return undefined
  const [, fileId = '', writeToken = '', instant = ''] = parts
  return { fileId, writeToken, instant }
}

/** Whether a file group is of this connector: the ids of other writers are random UUIDs, ours are made of names. */
export function isOurFileId(fileId: string): boolean {
  return /^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}-[0-9]+$/.test(fileId)
}

const MILLRACE_NAMESPACE = uuidV5('6ba7b811-9dad-11d1-80b4-00c04fd430c8', 'https://millrace.dev/hudi/file-id')

/** A name-based UUID, version 5 (RFC 9562 section 5.5). */
export function uuidV5(namespace: string, name: string): string {
  const space = Buffer.from(namespace.replaceAll('-', ''), 'hex')
  assert(space.byteLength === 16, `${namespace} is a UUID`)
  const hash = createHash('sha1').update(space).update(name).digest().subarray(0, 16)
  hash[6] = ((hash[6] ?? 0) & 0x0f) | 0x50
  hash[8] = ((hash[8] ?? 0) & 0x3f) | 0x80
  const hex = hash.toString('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}
