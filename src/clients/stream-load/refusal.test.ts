import assert from 'node:assert/strict'
import { test } from 'node:test'
import { refusalError, shownText } from './refusal.ts'

function classOf(message: string, holdsData: boolean, status = 'Fail'): string {
  const { code, retry } = refusalError('loading L', { status, message }, holdsData)
  return `${code} ${retry}`
}

test('a limit that passes is waited for before data was sent, and costs the checkpoint after', () => {
  const texts = [
    'current running txns on db 10 is 1000, larger than limit 1000',
    'Stream Load exceed http cuncurrent limit 5, please try again later',
    'Service is shutting down, please retry later!',
    'Have not get FE Master heartbeat yet',
    'current fe is not master',
    'get database write lock timeout, database=demo, timeoutMillis=20000',
  ]
  for (const text of texts) {
    assert.equal(classOf(text, false), 'UNAVAILABLE retry', text)
    assert.equal(classOf(text, true), 'UNAVAILABLE restart', text)
  }
})

test('what a person has to mend halts, with or without data', () => {
  const texts: Readonly<Record<string, string>> = {
    'Access denied; you need (at least one of) the INSERT privilege(s)': 'AUTH halt',
    '[NOT_AUTHORIZED]no valid Basic authorization': 'AUTH halt',
    'primary key size exceed the limit': 'POISON halt',
    'Only primary key table support partial update': 'SCHEMA halt',
    'unknown database, database=demo': 'SCHEMA halt',
    'Table clicks does not exist': 'SCHEMA halt',
    "Unknown column 'z' in 't'": 'SCHEMA halt',
    'unknown data format, format=X': 'CONFIG halt',
    'body size 9 exceed limit: 8, You can increase the limit by setting streaming_load_max_mb in be.conf.':
      'CONFIG halt',
    'The size of this batch exceed the max size [104857600]  of json type data  data [ 9 ]. Set ignore_json_size':
      'CONFIG halt',
    'Can not specify both partitions and temporary partitions': 'CONFIG halt',
  }
  for (const [text, expected] of Object.entries(texts)) {
    for (const holdsData of [false, true]) assert.equal(classOf(text, holdsData), expected, text)
  }
})

test('words nobody knows are a broken load', () => {
  assert.equal(classOf('the tablet is on fire', false), 'UNAVAILABLE restart')
})

test('server text is shown on one line, bounded, in its own script', () => {
  assert.equal(shownText(' a\r\nb\0\u001b[31mc 数据库 '), 'a b [31mc 数据库')
  assert.equal(shownText('x'.repeat(9_999)).length, 401)
})
