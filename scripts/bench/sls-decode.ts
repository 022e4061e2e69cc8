/**
 * Decodes log groups as the source does, without any server: `node sls-decode.ts <rows>`. Prints a line of JSON for each
 * way: what it was, rows, raw bytes, seconds, CPU-seconds.
 */
import { AnswerMemory, LogLines, LogReader, unpack } from '../../src/clients/sls/index.ts'
import { encodeLogGroupList } from '../../src/testkit/emulators/sls/log-group.ts'
import { compressLz4Block } from '../../src/testkit/emulators/sls/lz4-compress.ts'
import { logGroupsOf } from './log-groups.ts'

/** About what one answer of the service holds. */
const ANSWER_ROWS = 24_000
const SLACK_BYTES = 16

const rows = Number(process.argv[2])
const groups = logGroupsOf(0, ANSWER_ROWS)
const list = encodeLogGroupList(groups)
const packed = compressLz4Block(list)
const raw = Buffer.alloc(list.length + SLACK_BYTES)
const reader = new LogReader()
const lines = new LogLines()
const target = {
  buffer: Buffer.allocUnsafeSlow(2 * 1024 * 1024),
  ends: new Uint32Array(16_384),
  separator: 0x0a,
  rows: 0,
  length: 0,
}
list.copy(raw)
const quick = AnswerMemory.open()
const pulled = {
  cursor: '',
  next: '',
  groups: groups.length,
  rawBytes: list.length,
  codec: 'lz4',
  body: packed,
  first: undefined,
  isEnd: true,
}

function decode(counted = quick?.count(list)): void {
  reader.load(raw, list.length, groups.length, counted)
  while (reader.hasLog) {
    target.rows = 0
    target.length = 0
    lines.write(reader, target, Number.POSITIVE_INFINITY)
  }
}

function unpackAndDecode(): void {
  const { counted } = unpack(pulled, raw, quick)
  decode(counted)
}

function measure(what: string, work: () => void): void {
  const turns = Math.max(1, Math.round(rows / ANSWER_ROWS))
  // Code that is still being compiled is not what is asked for here.
  for (let turn = 0; turn < 10; turn++) work()
  const started = performance.now()
  const before = process.cpuUsage()
  for (let turn = 0; turn < turns; turn++) work()
  const { user, system } = process.cpuUsage(before)
  const told = {
    what,
    rows: turns * ANSWER_ROWS,
    bytes: turns * list.length,
    wallSeconds: (performance.now() - started) / 1000,
    cpuSeconds: (user + system) / 1e6,
    peakRssBytes: process.resourceUsage().maxRSS * 1024,
  }
  console.log(JSON.stringify(told))
}

measure('log groups → JSON lines', () => decode())
measure('LZ4 → log groups → JSON lines', unpackAndDecode)
