/*
 * LogGroups as protobuf (proto2), written from log.proto of aliyun-log-go-sdk:
 *
 *     LogGroupList  1 repeated LogGroup
 *     LogGroup      1 repeated Log, 2 Category, 3 Topic, 4 Source, 5 MachineUUID, 6 repeated LogTag
 *     Log           1 Time uint32, 2 repeated LogContent, 4 TimeNs fixed32
 *     LogContent    1 Key, 2 Value; LogTag alike
 */
const LENGTH_DELIMITED = 2

export type Text = string | Uint8Array

export interface PlainLog {
  /** Seconds since 1970. */
  readonly time: number
  /** Nanoseconds within the second. */
  readonly timeNs?: number
  /** Keys may repeat, and bytes may be any. */
  readonly contents: readonly (readonly [key: Text, value: Text])[]
}

export interface PlainLogGroup {
  readonly topic?: Text
  readonly source?: Text
  readonly tags?: readonly (readonly [key: Text, value: Text])[]
  readonly logs: readonly PlainLog[]
}

export function encodeLogGroup({ topic, source, tags = [], logs }: PlainLogGroup): Buffer {
  return Buffer.concat([
    ...logs.map((log) => field(1, encodeLog(log))),
    ...(topic === undefined ? [] : [field(3, bytesOf(topic))]),
    ...(source === undefined ? [] : [field(4, bytesOf(source))]),
    ...tags.map((tag) => field(6, encodePair(tag))),
  ])
}

export function encodeLogGroupList(groups: readonly Uint8Array[]): Buffer {
  return Buffer.concat(groups.map((group) => field(1, group)))
}

function encodeLog({ time, timeNs, contents }: PlainLog): Buffer {
  const nanos = Buffer.alloc(5)
  nanos[0] = (4 << 3) | 5
  nanos.writeUInt32LE(timeNs ?? 0, 1)
  return Buffer.concat([
    Buffer.from([1 << 3, ...varint(time)]),
    ...contents.map((pair) => field(2, encodePair(pair))),
    ...(timeNs === undefined ? [] : [nanos]),
  ])
}

function encodePair([key, value]: readonly [Text, Text]): Buffer {
  return Buffer.concat([field(1, bytesOf(key)), field(2, bytesOf(value))])
}

function bytesOf(text: Text): Uint8Array {
  return typeof text === 'string' ? Buffer.from(text) : text
}

function field(number: number, bytes: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from([(number << 3) | LENGTH_DELIMITED, ...varint(bytes.length)]), bytes])
}

function varint(value: number): number[] {
  const bytes: number[] = []
  let rest = value
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128)
  return [...bytes, rest]
}

/** The groups of a LogGroupList. Throws `RangeError` for bytes that are none. */
export function splitLogGroupList(list: Buffer): Buffer[] {
  return fieldsOf(list).flatMap(({ number, bytes }) => (number === 1 && bytes !== undefined ? [bytes] : []))
}

/** Counts the logs of a group that is known to be good. */
export function logsIn(group: Buffer): number {
  return fieldsOf(group).filter(({ number }) => number === 1).length
}

/** Checks a LogGroup as the service does before it stores it, and counts its logs. Throws `RangeError`. */
export function countLogs(group: Buffer): number {
  let logs = 0
  for (const { number, bytes } of fieldsOf(group)) {
    if (bytes === undefined) throw new RangeError('a field of a LogGroup has another wire type')
    if (number === 6) checkPair(bytes)
    if (number !== 1) continue
    logs++
    const fields = fieldsOf(bytes)
    if (!fields.some((one) => one.number === 1)) throw new RangeError('a Log has no Time')
    for (const one of fields) if (one.number === 2) checkPair(one.bytes)
  }
  return logs
}

function checkPair(bytes: Buffer | undefined): void {
  const numbers = bytes === undefined ? [] : fieldsOf(bytes).map(({ number }) => number)
  if (!numbers.includes(1) || !numbers.includes(2)) throw new RangeError('a content has no Key or no Value')
}

interface Field {
  readonly number: number
  /** Of length-delimited fields. */
  readonly bytes?: Buffer
}

function fieldsOf(message: Buffer): Field[] {
  const fields: Field[] = []
  let at = 0
  const readVarint = (): number => {
    let value = 0
    for (let factor = 1; ; factor *= 128) {
      const byte = message.readUInt8(at++)
      value += (byte & 127) * factor
      if (byte < 128) return value
    }
  }
  while (at < message.length) {
    const tag = readVarint()
    const number = Math.floor(tag / 8)
    switch (tag % 8) {
      case 0:
        readVarint()
        fields.push({ number })
        break
      case 1:
        at += 8
        fields.push({ number })
        break
      case LENGTH_DELIMITED: {
        const length = readVarint()
        fields.push({ number, bytes: message.subarray(at, at + length) })
        at += length
        break
      }
      case 5:
        at += 4
        fields.push({ number })
        break
      default:
        throw new RangeError('an unknown wire type')
    }
  }
  if (at !== message.length) throw new RangeError('a message ends early')
  return fields
}
