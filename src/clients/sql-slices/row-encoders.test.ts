import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { CopyRows } from './copy-rows.ts'
import { LinePool } from './line-target.ts'
import { PacketRows } from './packet-rows.ts'
import type { RowEncoder, RowLayout } from './row-encoder.ts'
import type { CellKind, SliceColumn } from './table-shape.ts'

const column = (name: string, cell: CellKind): SliceColumn => ({
  name,
  sql: name,
  type: 'varchar',
  nullable: true,
  cell,
})

/** Two texts and bytes are given, a text behind them is only read for the key. */
const LAYOUT: RowLayout = {
  columns: [column('a', 'text'), column('"b"', 'text'), column('c', 'bytes'), column('k', 'text')],
  given: 3,
  key: [3, 0],
  separator: 0x0a,
}

type Row = readonly [a: string | null, b: string | null, c: Uint8Array | null, k: string]

const texts = fc.string({ unit: 'binary', maxLength: 40 })
const rows = fc.array(
  fc.tuple(fc.option(texts), fc.option(texts), fc.option(fc.uint8Array({ maxLength: 20 })), texts),
  { minLength: 1, maxLength: 20 },
)

/** As PostgreSQL writes it (src/backend/commands/copyto.c, CopyAttributeOutText). */
function copyText(value: string): string {
  const letters: Record<string, string> = {
    '\b': 'b',
    '\f': 'f',
    '\n': 'n',
    '\r': 'r',
    '\t': 't',
    '\v': 'v',
    '\\': '\\',
  }
  return value.replaceAll(/[\b\f\n\r\t\v\\]/g, (one) => `\\${letters[one]}`)
}

function copyRow([a, b, c, k]: Row): Buffer {
  const bytes = c === null ? '\\N' : `\\\\x${Buffer.from(c).toString('hex')}`
  const cells = [a === null ? '\\N' : copyText(a), b === null ? '\\N' : copyText(b), bytes, copyText(k)]
  return Buffer.from(`${cells.join('\t')}\n`)
}

function packetRow(row: Row): Buffer {
  return Buffer.concat(
    row.map((value) => {
      if (value === null) return Buffer.from([0xfb])
      const bytes = Buffer.from(value as string)
      const { length } = bytes
      const head = length < 251 ? Buffer.from([length]) : Buffer.from([0xfc, length & 255, length >> 8])
      return Buffer.concat([head, bytes])
    }),
  )
}

for (const [name, make, rowOf] of [
  ['COPY', (): RowEncoder => new CopyRows(LAYOUT), copyRow],
  ['the text protocol', (): RowEncoder => new PacketRows(LAYOUT), packetRow],
] as const) {
  describe(`rows of ${name}`, () => {
    test('are the same as JSON, whatever they hold, and never more bytes than announced', () => {
      fc.assert(
        fc.property(rows, (all) => {
          // Postgres has no NUL in texts, and texts that are no Unicode are on no server.
          const wanted = all.filter((row) => row.every((one) => typeof one !== 'string' || isText(one)))
          fc.pre(wanted.length > 0)
          const encoder = make()
          const target = new LinePool().take(0)
          for (const row of wanted) {
            const bytes = rowOf(row)
            const before = target.length
            // Something stands around it, as in the buffer of a socket.
            const around = Buffer.concat([Buffer.from('xx'), bytes, Buffer.from('yy')])
            encoder.encode(target, around, 2, 2 + bytes.length)
            assert.ok(target.length - before <= encoder.bytesMax(bytes.length))
            assert.deepEqual(encoder.lastKey(), [row[3], row[0] ?? encoder.lastKey()[1]])
          }
          const lines = target.buffer.toString('utf8', 0, target.length).split('\n')
          assert.equal(lines.pop(), '')
          assert.deepEqual(
            lines.map((line) => JSON.parse(line) as unknown),
            wanted.map(([a, b, c]) => ({ a, '"b"': b, c: c === null ? null : Buffer.from(c).toString('base64') })),
          )
          assert.equal(target.rows, wanted.length)
          assert.equal(target.ends[wanted.length - 1], target.length - 1)
        }),
      )
    })
  })
}

function isText(value: string): boolean {
  return value.isWellFormed() && !value.includes('\0')
}
