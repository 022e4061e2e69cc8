/**
 * Logs of real servers, replayed. test/fixtures/mysql-cdc has the events that each of them sent for the same statements: a
 * row with a value of each type, one that is otherwise NULL, a change of its key, another change, its end, and DDL; MySQL
 * 9.7 also sent a compressed transaction before the DDL.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { BinlogStream } from './binlog-stream.ts'
import { Charsets } from './charsets.ts'
import { LineBuffer } from './line-buffer.ts'
import { layoutOf } from './row-layout.ts'
import { RowLines } from './row-lines.ts'
import { parseTableMap } from './table-map.ts'

interface Recording {
  readonly place: string
  readonly events: readonly string[]
}

const CHARSETS = new Charsets(
  new Map([
    ...[45, 46, 255].map((id) => [id, { name: 'utf8mb4', bytesMax: 4 }] as const),
    [8, { name: 'latin1', bytesMax: 1 }],
    [63, { name: 'binary', bytesMax: 1 }],
  ]),
)

const FULL =
  '"y":2024,"id":1,"ti":255,"mi":-8388608,"bi":18446744073709551615,' +
  '"de":"-12345678901234567890123456789012345.678901234567890123456789012345","fl":1.5,"dou":0.1,"bt":513,' +
  '"da":"1999-12-31","dt":"2024-02-29 23:59:59.123456","ts":"2024-02-29 23:59:59.125","tm":"-838:59:58.50",' +
  String.raw`"vc":"h\"é😀","la":"é€","bn":"AP8AAA==","bl":"3q2+7w==","en":"b,c","st":"x,z"`
const JSON_TEXT = String.raw`,"js":"{\"a\": {\"n\": 9007199254740993}, \"b\": [1, -2.5, null, true]}"`
const NULLS =
  '"mi":null,"bi":null,"de":null,"fl":null,"dou":null,"bt":null,"da":null,"dt":null,"ts":null,"tm":null,"vc":null,' +
  '"la":null,"bn":null,"bl":null,"en":null,"st":null'

function rows(json: string, nullJson: string): string[] {
  return [
    `{"__op":0,${FULL}${json}}`,
    `{"__op":0,"y":null,"id":2,"ti":null,${NULLS}${nullJson}}`,
    `{"__op":1,"y":null,"id":2,"ti":null,${NULLS}${nullJson}}`,
    `{"__op":0,"y":null,"id":3,"ti":7,${NULLS}${nullJson}}`,
    `{"__op":0,"y":null,"id":3,"ti":8,${NULLS}${nullJson}}`,
    `{"__op":1,"y":null,"id":3,"ti":8,${NULLS}${nullJson}}`,
  ]
}

const z = 'z'.repeat(20)
const unpacked = [4, 5].map(
  (id) => `{"__op":0,"y":null,"id":${id},"ti":null,${NULLS.replace('"vc":null', `"vc":"${z}"`)},"js":null}`,
)
const SERVERS: Readonly<Record<string, { readonly lines: readonly string[]; readonly commits: number }>> = {
  'mariadb-10.11': { lines: rows('', ''), commits: 5 },
  'mysql-8.0.15': { lines: rows(JSON_TEXT, ',"js":null'), commits: 5 },
  'mysql-9.7': { lines: [...rows(JSON_TEXT, ',"js":null'), ...unpacked], commits: 6 },
}

function recorded(server: string): Recording {
  const path = new URL(`../../../test/fixtures/mysql-cdc/${server}.json`, import.meta.url)
  return JSON.parse(readFileSync(path, 'utf8')) as Recording
}

function replay({ place, events }: Recording, change: (event: Buffer, index: number) => void = () => undefined) {
  const packets = events.map((event, index) => {
    const bytes = Buffer.from(event, 'base64')
    change(bytes, index)
    return Buffer.concat([Buffer.from([0]), bytes])
  })
  const source = {
    what: 'a recording',
    nextPacket: () => packets.shift(),
    morePackets: () => Promise.resolve(false),
    close: () => undefined,
  }
  const flavour = place.includes(':') ? 'mysql' : 'mariadb'
  const at = { flavour, gtid: place, file: '', position: 0 } as const
  const stream = new BinlogStream(source, at, { serverId: 1, heartbeatMs: 1000 }, true)
  const tables = new Map<number, RowLines>()
  const lines = new LineBuffer(16)
  const nothing = Buffer.alloc(0)
  const seen = { commits: 0, statements: [] as string[] }
  for (let item = stream.next(); item !== undefined; item = stream.next()) {
    if (item.kind === 'commit') seen.commits++
    if (item.kind === 'statement') seen.statements.push(item.sql.split(' ').slice(0, 3).join(' '))
    if (item.kind === 'table-map') {
      const map = parseTableMap(item.body, stream.writtenBy)
      const layout = layoutOf(map, { charsets: CHARSETS })
      tables.set(map.id, new RowLines(layout, { separator: 0x0a, zeroDates: 'fail', table: map.table }))
    }
    if (item.kind !== 'rows') continue
    const { kind, image, from } = item.rows
    const table = tables.get(item.rows.tableId)
    assert.ok(table !== undefined && item.rows.isWhole)
    for (let row = from; row < image.length;) {
      const after = kind === 'update' ? table.skip(image, row) : row
      if (kind === 'delete') row = table.delete(image, row, lines, nothing)
      else {
        if (kind === 'update' && table.isKeyChanged(image, row, after)) table.delete(image, row, lines, nothing)
        row = table.upsert(image, after, lines, nothing)
      }
    }
  }
  return { ...seen, stream, lines: lines.bytes.toString('utf8', 0, lines.length).split('\n').slice(0, -1) }
}

for (const [server, expected] of Object.entries(SERVERS)) {
  test(`the log of ${server} gives its rows, its commits and its place`, () => {
    const recording = recorded(server)
    const { lines, commits, statements, stream } = replay(recording)
    assert.deepEqual(lines, expected.lines)
    assert.equal(commits, expected.commits)
    assert.deepEqual(statements, ['ALTER TABLE t'])
    // Every transaction that was sent is read, and nothing else.
    const number = (gtid = ''): bigint => BigInt(/^(?:[^:]{36}:1-|\d+-\d+-)(\d+)/.exec(gtid)?.[1] ?? '0')
    const sent = BigInt(expected.commits + 1)
    assert.equal(number(stream.place.gtid), number(recording.place) + sent)
    assert.deepEqual([stream.place.file, stream.place.position], [stream.at.file, stream.at.position])
  })

  test(`a bit of ${server} that is wrong is noticed, wherever it is`, () => {
    const recording = recorded(server)
    recording.events.forEach((_, index) => {
      const bits = [20, 25].map(
        (at) => () =>
          replay(recording, (event, which) => {
            if (which === index && at < event.length) event[at] = (event[at] ?? 0) ^ 0x10
          }),
      )
      for (const damaged of bits) assert.throws(damaged, { code: 'DECODE', message: /checksum/ })
    })
  })
}
