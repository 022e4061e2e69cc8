/** Every type: a value read by SELECT and the same one read from the log are the same text, and the right one. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { useDatabase, type DatabaseName } from '../../../scripts/services/databases.ts'
import { MysqlWorld } from '../../testkit/mysql-cdc/mysql-world.ts'

/** Definition of a column, values in SQL, and what they are in JSON. `not`: servers that do not have it. */
interface Case {
  readonly type: string
  readonly values: readonly (readonly [sql: string, json: string])[]
  readonly only?: readonly DatabaseName[]
}

const MYSQL: readonly DatabaseName[] = ['mysql', 'mysql80']

const CASES: Readonly<Record<string, Case>> = {
  // First, because some servers describe a year as a number and others do not.
  year_: {
    type: 'year',
    values: [
      ['1901', '1901'],
      ['2155', '2155'],
      ['0', '0'],
    ],
  },
  tiny: {
    type: 'tinyint',
    values: [
      ['-128', '-128'],
      ['127', '127'],
    ],
  },
  tiny_u: { type: 'tinyint unsigned', values: [['255', '255']] },
  bool_: {
    type: 'tinyint(1)',
    values: [
      ['true', '1'],
      ['7', '7'],
    ],
  },
  small: { type: 'smallint', values: [['-32768', '-32768']] },
  small_u: { type: 'smallint unsigned', values: [['65535', '65535']] },
  medium: {
    type: 'mediumint',
    values: [
      ['-8388608', '-8388608'],
      ['8388607', '8388607'],
    ],
  },
  medium_u: { type: 'mediumint unsigned', values: [['16777215', '16777215']] },
  int_: {
    type: 'int',
    values: [
      ['-2147483648', '-2147483648'],
      ['0', '0'],
    ],
  },
  int_u: { type: 'int unsigned', values: [['4294967295', '4294967295']] },
  int_z: { type: 'int(6) unsigned zerofill', values: [['42', '42']] },
  big: {
    type: 'bigint',
    values: [
      ['-9223372036854775808', '-9223372036854775808'],
      ['9223372036854775807', '9223372036854775807'],
      ['9007199254740993', '9007199254740993'],
      ['-9007199254740993', '-9007199254740993'],
      ['-4294967297', '-4294967297'],
      ['-1', '-1'],
    ],
  },
  big_u: {
    type: 'bigint unsigned',
    values: [
      ['18446744073709551615', '18446744073709551615'],
      ['4294967296', '4294967296'],
    ],
  },
  dec_small: {
    type: 'decimal(5,2)',
    values: [
      ['-999.99', '"-999.99"'],
      ['0', '"0.00"'],
      ['0.05', '"0.05"'],
      ['-0.5', '"-0.50"'],
    ],
  },
  dec_whole: {
    type: 'decimal(10,0)',
    values: [
      ['1234567890', '"1234567890"'],
      ['-1', '"-1"'],
    ],
  },
  dec_max: {
    type: 'decimal(65,30)',
    values: [
      [
        '-12345678901234567890123456789012345.678901234567890123456789012345',
        '"-12345678901234567890123456789012345.678901234567890123456789012345"',
      ],
      [
        '99999999999999999999999999999999999.999999999999999999999999999999',
        '"99999999999999999999999999999999999.999999999999999999999999999999"',
      ],
      ['1', '"1.000000000000000000000000000000"'],
    ],
  },
  dec_z: { type: 'decimal(8,3) zerofill', values: [['1.5', '"1.500"']] },
  float_: {
    type: 'float',
    values: [
      ['0.1', '0.10000000149011612'],
      ['16777216', '16777216'],
      ['-1.5', '-1.5'],
    ],
  },
  double_: {
    type: 'double',
    values: [
      ['0.1', '0.1'],
      ['-1.5', '-1.5'],
      ['1234567.25', '1234567.25'],
    ],
  },
  bit1: { type: 'bit(1)', values: [["b'1'", '1']] },
  bit10: { type: 'bit(10)', values: [["b'1000000001'", '513']] },
  bit64: { type: 'bit(64)', values: [['18446744073709551615', '18446744073709551615']] },
  date_: {
    type: 'date',
    values: [
      ["'1000-01-01'", '"1000-01-01"'],
      ["'9999-12-31'", '"9999-12-31"'],
      ["'2024-02-29'", '"2024-02-29"'],
    ],
  },
  datetime0: { type: 'datetime', values: [["'2024-03-31 02:30:00'", '"2024-03-31 02:30:00"']] },
  datetime3: { type: 'datetime(3)', values: [["'1000-01-01 00:00:00.001'", '"1000-01-01 00:00:00.001"']] },
  datetime6: { type: 'datetime(6)', values: [["'9999-12-31 23:59:59.999999'", '"9999-12-31 23:59:59.999999"']] },
  timestamp0: {
    type: 'timestamp null',
    values: [
      ["'1970-01-01 00:00:01'", '"1970-01-01 00:00:01"'],
      ["'2038-01-19 03:14:07'", '"2038-01-19 03:14:07"'],
    ],
  },
  timestamp6: { type: 'timestamp(6) null', values: [["'2000-02-29 12:34:56.000009'", '"2000-02-29 12:34:56.000009"']] },
  time0: {
    type: 'time',
    values: [
      ["'-838:59:59'", '"-838:59:59"'],
      ["'00:00:00'", '"00:00:00"'],
      ["'838:59:59'", '"838:59:59"'],
    ],
  },
  time1: { type: 'time(1)', values: [["'-00:00:00.1'", '"-00:00:00.1"']] },
  time6: {
    type: 'time(6)',
    values: [
      ["'-100:00:00.000001'", '"-100:00:00.000001"'],
      ["'23:59:59.999999'", '"23:59:59.999999"'],
    ],
  },
  char_: {
    type: 'char(10)',
    values: [
      ["'ab  '", '"ab"'],
      ["''", '""'],
    ],
  },
  char_long: { type: 'char(255)', values: [["REPEAT('é', 255)", JSON.stringify('é'.repeat(255))]] },
  varchar_: {
    type: 'varchar(100)',
    values: [
      [
        "'quote \" back \\\\ line \\n tab \\t nul \\0 😀 é'",
        '"quote \\" back \\\\ line \\u000a tab \\u0009 nul \\u0000 😀 é"',
      ],
      ["' trailing  '", '" trailing  "'],
    ],
  },
  latin: { type: 'varchar(20) character set latin1', values: [["'é€ÿ'", '"é€ÿ"']] },
  gbk_: { type: 'varchar(20) character set gbk', values: [["'中文'", '"中文"']] },
  utf16_: { type: 'varchar(20) character set utf16', values: [["'é😀'", '"é😀"']] },
  utf32_: { type: 'varchar(20) character set utf32', values: [["'é😀'", '"é😀"']] },
  cyrillic: { type: 'text character set cp1251', values: [["'Привет'", '"Привет"']] },
  text_: { type: 'text', values: [["REPEAT('long ', 5000)", JSON.stringify('long '.repeat(5000))]] },
  medium_text: { type: 'mediumtext', values: [["'x'", '"x"']] },
  binary_: { type: 'binary(6)', values: [["x'00ff00'", '"AP8AAAAA"']] },
  varbinary_: {
    type: 'varbinary(20)',
    values: [
      ["x'00ff00'", '"AP8A"'],
      ["''", '""'],
    ],
  },
  blob_: { type: 'blob', values: [["x'deadbeef'", '"3q2+7w=="']] },
  long_blob: { type: 'longblob', values: [["REPEAT(x'00', 70000)", `"${Buffer.alloc(70_000).toString('base64')}"`]] },
  enum_: {
    type: "enum('a','b,c','qu\"ote','é')",
    values: [
      ["'b,c'", '"b,c"'],
      ["'qu\"ote'", '"qu\\"ote"'],
      ["'é'", '"é"'],
    ],
  },
  enum_latin: { type: "enum('é','x') character set latin1", values: [["'é'", '"é"']] },
  set_: {
    type: "set('x','y','z')",
    values: [
      ["'x,z'", '"x,z"'],
      ["''", '""'],
    ],
  },
  point_: { type: 'point', values: [["ST_GeomFromText('POINT(1 2)')", '"AAAAAAEBAAAAAAAAAAAA8D8AAAAAAAAAQA=="']] },
  after_point: { type: 'text character set latin1', values: [["'é'", '"é"']] },
  json_: {
    type: 'json',
    only: MYSQL,
    values: [
      [
        `'{"b": [1, -2.5, 1e20, null, true, "x\\\\u00e9\\\\n"], "a": {"big": 18446744073709551615, "low": -9223372036854775808, "n": 9007199254740993}}'`,
        JSON.stringify(
          '{"a": {"n": 9007199254740993, "big": 18446744073709551615, "low": -9223372036854775808}, "b": [1, -2.5, 1e20, null, true, "xé\\n"]}',
        ),
      ],
      [`'[]'`, '"[]"'],
      [`'{}'`, '"{}"'],
      [`'null'`, '"null"'],
      [`'1.0'`, '"1.0"'],
      [
        `JSON_OBJECT('d', CAST(1.50 AS DECIMAL(10,2)), 't', CAST('2024-02-29 01:02:03.5' AS DATETIME(6)), 'x', CAST('-10:00:00' AS TIME))`,
        JSON.stringify('{"d": 1.50, "t": "2024-02-29 01:02:03.500000", "x": "-10:00:00.000000"}'),
      ],
      [
        `JSON_ARRAY(REPEAT('k', 70000), 70000, -70000, 3000000000)`,
        JSON.stringify(`["${'k'.repeat(70_000)}", 70000, -70000, 3000000000]`),
      ],
    ],
  },
  json_text: {
    type: 'json',
    only: ['mariadb'],
    values: [[`'{"b":1.10,  "a":[ ]}'`, JSON.stringify('{"b":1.10,  "a":[ ]}')]],
  },
}

for (const server of ['mariadb', 'mysql', 'mysql80'] as const) {
  test(`${server}: each type has the same value by SELECT and in the log`, async () => {
    await using service = await useDatabase(server)
    await using world = await MysqlWorld.create(service.url)
    const cases = Object.entries(CASES).filter(([, { only }]) => only === undefined || only.includes(server))
    const columns = cases.map(([name, { type }]) => `${name} ${type}`).join(', ')
    await world.sql("SET sql_mode = 'NO_ENGINE_SUBSTITUTION'", 'SET NAMES utf8mb4')
    await world.sql(`CREATE TABLE selected (id int PRIMARY KEY, ${columns}) CHARACTER SET utf8mb4`)
    await world.sql('CREATE TABLE logged LIKE selected')
    const rows = Math.max(...cases.map(([, { values }]) => values.length))
    for (let row = 0; row < rows; row++) {
      const values = cases.map(([, one]) => one.values[row]?.[0] ?? 'NULL')
      await world.sql(`INSERT INTO selected VALUES (${row}, ${values.join(', ')})`)
    }
    await using log = world.follower({ start: 'latest' })
    await log.discover()
    await world.sql('INSERT INTO logged SELECT * FROM selected')
    await using initial = world.follower()
    await initial.discover()
    await initial.until(() => initial.isFollowingLog)
    await log.until(() => log.rows.has(`${world.database}.logged ${rows - 1}`))
    for (let row = 0; row < rows; row++) {
      const expected = [
        `id=${row}`,
        ...cases.map(([name, { values }]) => `${name}=${values[row]?.[1] ?? 'null'}`),
      ].toSorted()
      assert.deepEqual(initial.rows.get(`${world.database}.selected ${row}`)?.split('\n'), expected, 'by SELECT')
      assert.deepEqual(log.rows.get(`${world.database}.logged ${row}`)?.split('\n'), expected, 'in the log')
    }
    const shapes = log.changes.map(({ table }) => table)
    assert.deepEqual(shapes, [], 'the log has the shape that the server tells')
  })
}
