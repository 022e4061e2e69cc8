import assert from 'node:assert/strict'
import { test } from 'node:test'
import { wrongSettings } from './check-settings.ts'

const GOOD: readonly (readonly [string, string])[] = [
  ['log_bin', 'ON'],
  ['binlog_format', 'ROW'],
  ['binlog_row_image', 'FULL'],
  ['binlog_row_metadata', 'FULL'],
  ['gtid_mode', 'ON'],
]

function wrong(
  flavour: 'mysql' | 'mariadb',
  change: Readonly<Record<string, string>>,
  blobs: readonly string[] = [],
): string[] {
  const settings = new Map([...GOOD, ...Object.entries(change)])
  return wrongSettings(flavour, settings, blobs).map(({ message, hint }) => `${message} → ${hint}`)
}

test('a setting that lets rows be missing from the log is told with the statement that sets it right', () => {
  assert.deepEqual(wrong('mysql', {}), [])
  assert.match(
    wrong('mysql', { binlog_row_image: 'MINIMAL' }).join(),
    /is MINIMAL, it has to be FULL → SET PERSIST binlog_row_image = FULL; .*connect anew/,
  )
  assert.match(
    wrong('mariadb', { binlog_row_metadata: 'NO_LOG' }).join(),
    /→ SET GLOBAL binlog_row_metadata = FULL, and .* in the server’s option file/,
  )
  assert.match(wrong('mysql', { log_bin: 'OFF' }).join(), /restart the server/)
  assert.deepEqual(wrong('mariadb', { gtid_mode: 'OFF' }), [])
})

test('the row image NOBLOB is refused where it leaves something out only', () => {
  assert.deepEqual(wrong('mysql', { binlog_row_image: 'NOBLOB' }), [])
  assert.match(
    wrong('mysql', { binlog_row_image: 'noblob' }, ['shop.notes']).join(),
    /as they are, in shop\.notes → SET/,
  )
})
