import assert from 'node:assert/strict'
import { test } from 'node:test'
import { JsonLinesScanner } from './json-lines.ts'
import { withoutRows } from './bytes-piece.ts'
import { parseColumnType } from './types.ts'

const ignore = (): void => undefined

function scan(type: string, text: string, nullable = true): string {
  const scanner = new JsonLinesScanner([{ name: 'v', type: parseColumnType(type), nullable }])
  const buffer = Buffer.from(text.includes('\n') ? text : `${text}\n`, 'latin1')
  let found = ''
  const result = scanner.scan(buffer, buffer.length, 1, (bytes, { starts, ends }) => {
    const start = starts[0] ?? 0
    const end = ends[0] ?? 0
    found = start < 0 ? 'NULL' : bytes.toString('latin1', start, end < 0 ? ~end : end)
  })
  return result.ok ? found : (result.errors[0]?.reason ?? '')
}

function value(type: string, token: string): string {
  return scan(type, `{"v":${token}}`)
}

/** The values are found as they are, strings without their quotes. */
function passes(type: string, ...tokens: string[]): void {
  for (const token of tokens) {
    const wanted = token === 'null' ? 'NULL' : type === 'json' ? token : token.replace(/^"(.*)"$/s, '$1')
    assert.equal(value(type, token), wanted, `${type} ${token}`)
  }
}

function isRefused(type: string, reason: RegExp, ...tokens: string[]): void {
  for (const token of tokens) assert.match(value(type, token), reason, `${type} ${token}`)
}

test('integers pass up to the ends of their types', () => {
  passes('tinyint', '0', '-0', '127', '-128', '"-128"')
  isRefused('tinyint', /beyond the range/, '128', '-129', '1000', '"128"')
  passes('bigint', '9223372036854775807', '-9223372036854775808', '9007199254740993')
  isRefused('bigint', /beyond the range/, '9223372036854775808', '-9223372036854775809', '18446744073709551616')
  passes('ubigint', '0', '999999999999999999')
  passes('ubigint', '18446744073709551615')
  isRefused('ubigint', /beyond the range/, '-1', '18446744073709551616')
  passes('hugeint', '170141183460469231731687303715884105727', '-170141183460469231731687303715884105728')
  isRefused('hugeint', /beyond the range/, '170141183460469231731687303715884105728')
})

test('what is no integer is refused for an integer column', () => {
  isRefused('bigint', /fraction or an exponent/, '1.5', '1.0', '1e3', '1E3', '"1.5"')
  isRefused('bigint', /not an integer/, 'true', '""', '"x"', '01', '+1', '-', '{}', '[1]', 'NaN')
  isRefused('bigint', /broken JSON/, '"1 "', '"1', '1x')
})

test('decimals pass when digits and scale fit, and travel as strings when a double would change them', () => {
  passes('decimal(12,2)', '0', '-0.5', '12345.67', '1234567890.12', '"1.5"', '1.500')
  isRefused('decimal(12,2)', /after the point/, '1.234', '0.001')
  isRefused('decimal(12,2)', /before the point/, '12345678901', '12345678901.5')
  isRefused('decimal(12,2)', /exponent/, '1e3', '1.5E-1')
  isRefused('decimal(12,2)', /not a decimal/, 'true', '.5', '1.', '00.5', '"NaN"', 'NaN')
  passes('decimal(18,2)', '1234567890123.45', '999999999999999999'.slice(0, 16))
  passes('decimal(18,2)', '12345678901234.56', '-12345678901234.56')
  passes('decimal(38,10)', '12345678.1234567', '123456.0123456789')
  passes('decimal(2,2)', '0.25', '-0.25', '0.1')
  for (const type of ['decimal(1,1)', 'decimal(2,2)', 'decimal(3,2)', 'decimal(38,38)']) {
    isRefused(type, /not a decimal/, '"abc"', 'true', '""')
    isRefused(type, /before the point/, '11', '10.5')
  }
})

test('floating numbers pass when they are finite', () => {
  passes('double', '0.1', '1e308', '-1.5E-300', '123456789012345678901234567890', '"1.5"')
  passes('double', '-0')
  isRefused('double', /beyond the range/, '1e309', '-1e400')
  isRefused('float', /beyond the range/, '1e39')
  isRefused('double', /not a number/, 'NaN', 'Infinity', '"NaN"', 'true')
  isRefused('double', /broken JSON/, '-Infinity', '01', '1.', '1e')
})

test('booleans are true and false and nothing else', () => {
  passes('boolean', 'true', 'false')
  isRefused('boolean', /not true or false/, '1', '0', '"true"', 'tru', 'True')
})

test('strings pass as they are, with well-formed escapes only', () => {
  passes('varchar', '""', '"a\\"b\\\\c\\u00e9\\ud83d\\ude00"', '"  "')
  isRefused('varchar', /not a string/, '1', 'true', '{}', '[]')
  isRefused('varchar', /surrogate/, '"\\ud83d"', '"\\ude00"', '"\\ud83dx"', '"\\ud83d\\u0041"')
  isRefused('varchar', /broken escape/, '"\\x"', '"\\u12g4"')
  isRefused('varchar', /control character/, '"a\tb"', '"a\0b"', '"open')
  isRefused('varchar', /invalid UTF-8/, '"\xff"', '"\xc3"', '"\xed\xa0\x80"')
})

test('dates and times must exist', () => {
  passes('date', '"0001-01-01"', '"9999-12-31"', '"2024-02-29"', '"2000-02-29"')
  isRefused(
    'date',
    /not a date/,
    '"2023-02-29"',
    '"1900-02-29"',
    '"0000-01-01"',
    '"2024-13-01"',
    '"2024-04-31"',
    '"2024-1-1"',
  )
  isRefused('date', /not a date/, '"2024-01-01 00:00:00"', '"20240101"', '""')
  isRefused('date', /not a string/, '20240101')
  passes('time', '"00:00:00"', '"23:59:59.999999"')
  isRefused('time', /not a time/, '"24:00:01"', '"12:60:00"', '"12:00"', '"12:00:00Z"')
  isRefused('time', /more digits of a second/, '"12:00:00.1234567"')
})

test('a timestamp keeps its digits and has an offset exactly when its type has a zone', () => {
  passes('timestamp', '"2024-05-06 07:08:09.123456"', '"2024-05-06T07:08:09"', '"2024-05-06"')
  passes('timestamp(3)', '"2024-05-06 07:08:09.123"', '"2024-05-06 07:08:09.123000"')
  isRefused('timestamp(3)', /more digits of a second/, '"2024-05-06 07:08:09.1234"')
  isRefused(
    'timestamp',
    /zone offset in a timestamp/,
    '"2024-05-06T07:08:09Z"',
    '"2024-05-06 07:08:09+08:00"',
    '"2024-05-06 07:08:09.5-03"',
  )
  isRefused(
    'timestamp',
    /not a timestamp/,
    '"2024-05-06 07:08:60"',
    '"2024-05-06 25:00:00"',
    '"infinity"',
    '"2024-05-06 07:08:09 UTC"',
  )
  isRefused('timestamp', /not a string/, '1714979289')
  passes('timestamptz', '"2024-05-06T07:08:09Z"', '"2024-05-06 07:08:09.123456+08:00"', '"2024-05-06 07:08:09-03"')
  isRefused('timestamptz', /no zone offset/, '"2024-05-06 07:08:09"', '"2024-05-06"')
  isRefused('timestamptz', /not a timestamp/, '"0001-01-01 00:00:00+08"', '"9999-12-31 23:00:00-08:00"')
})

test('UUIDs and bytes in base64 are checked', () => {
  passes('uuid', '"a746f771-962f-432a-9394-a90310357db5"')
  isRefused(
    'uuid',
    /not a UUID/,
    '"a746f771"',
    '"a746f771x962f-432a-9394-a90310357db5"',
    '"a746f771-962f-432a-9394-a90310357db5a"',
  )
  passes('blob', '""', '"QQ=="', '"QUI="', '"QUJD"')
  isRefused('blob', /not base64/, '"Q"', '"QQ"', '"Q=Q="', '"!!!!"')
})

test('a JSON document is found as it is written', () => {
  passes('json', '{"a": 1.10,\t"b":"x\\"y"}', '12345678901234567890.5', '"x"', '[ ]', 'true')
  isRefused('json', /broken JSON/, '{"a":1,}', '[1,]', '{a:1}', 'nul', 'NaN', '[1')
  isRefused('json', /64 levels/, '['.repeat(100) + ']'.repeat(100))
})

test('a line must be one object', () => {
  const reason = /not a JSON object on a line of its own/
  for (const line of ['17', 'null', '[]', '"x"', ' ', '\n', '{"v":1} {"v":2}', '{"v":1}x', '\xef\xbb\xbf{"v":1}']) {
    assert.match(scan('bigint', line), reason, line)
  }
  for (const line of ['{"v":1', '{"v" 1}', '{v:1}', '{,}', '{"v":1,}', '{"v":}', '{']) {
    assert.match(scan('bigint', line), /[a-z]{3}/, line)
  }
  assert.equal(scan('bigint', ' { "v" : 1 , "w" : [ 1 ] } '), '1')
})

test('keys: missing is NULL, unknown is ignored, twice is refused, escapes are understood', () => {
  assert.equal(scan('bigint', '{}'), 'NULL')
  assert.equal(scan('bigint', '{"__proto__":{"a":[1,"x"]},"constructor":null,"v":1}'), '1')
  assert.match(scan('bigint', '{"v":1,"v":1}'), /twice/)
  assert.match(scan('bigint', '{"w":1,"w":1}'), /twice/)
  assert.match(scan('bigint', '{"v":1,"\\u0076":1}'), /twice/)
  assert.match(scan('bigint', '{"\\u0076":1.5}'), /fraction/)
  assert.match(scan('bigint', '{"v":null}', false), /must not be NULL/)
  assert.match(scan('bigint', '{"w":1}', false), /must not be NULL/)
})

test('rows may have more columns than are common, and any number of unknown keys', () => {
  const names = Array.from({ length: 700 }, (_, index) => `c${index}`)
  const scanner = new JsonLinesScanner(
    names.map((name) => ({ name, type: parseColumnType(name === 'c650' ? 'bigint' : 'varchar'), nullable: true })),
  )
  const row = (prefix: string, c650: string): string =>
    `{${names.map((name) => `"${prefix}${name}":${name === 'c650' ? c650 : '"x"'}`).join(',')},"c650":${c650}}\n`
  const scanRows = (text: string, rows: number): string => {
    const result = scanner.scan(Buffer.from(text), Buffer.byteLength(text), rows, ignore)
    return result.ok ? 'ok' : result.errors.map(({ column, reason }) => `${column} ${reason}`).join()
  }
  assert.equal(scanRows(row('unknown', '5').repeat(3), 3), 'ok')
  assert.equal(scanRows(row('unknown', '1.5'), 1), 'c650 a fraction or an exponent where an integer is needed')
  assert.equal(scanRows(row('', '5'), 1), 'c650 the key occurs twice')
})

test('errors tell the row, its bytes and the column, never the value', () => {
  const scanner = new JsonLinesScanner([
    { name: 'id', type: parseColumnType('bigint'), nullable: true },
    { name: 'name', type: parseColumnType('varchar'), nullable: true },
  ])
  const buffer = Buffer.from('{"id":1}\n{"id":"geheim"}\n{"id":3}\n{"name":7}')
  assert.deepEqual(scanner.scan(buffer, buffer.length, 4, ignore), {
    ok: false,
    errors: [
      { row: 1, byteStart: 9, byteEnd: 24, column: 'id', reason: 'not an integer' },
      { row: 3, byteStart: 34, byteEnd: 44, column: 'name', reason: 'not a string' },
    ],
  })
})

test('a count of rows that is not the announced one is a broken promise', () => {
  const scanner = new JsonLinesScanner([])
  assert.throws(() => scanner.scan(Buffer.from('{}\n{}\n'), 6, 3, ignore), { code: 'INTERNAL' })
})

test('bad rows can be taken out, and the rest is a good piece', () => {
  const scanner = new JsonLinesScanner([{ name: 'v', type: parseColumnType('bigint'), nullable: true }])
  const buffer = Buffer.from('17\n{"v":1}\n{"v":"x"}\n{"v":2}\n{"v":1.5}\n')
  const result = scanner.scan(buffer, buffer.length, 5, ignore)
  assert.ok(!result.ok)
  const { rest, taken } = withoutRows({ buffer, length: buffer.length, rows: 5 }, result.errors)
  assert.equal(rest.buffer.toString(), '{"v":1}\n{"v":2}\n')
  assert.deepEqual(taken.map(String), ['17', '{"v":"x"}', '{"v":1.5}'])
  assert.ok(scanner.scan(rest.buffer, rest.length, rest.rows, ignore).ok)
})
