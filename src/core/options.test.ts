import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { ZodType } from 'zod'
import { duration, formatDuration, hostPort, identifier, oneOrMany, properties, secret, size, url } from './options.ts'
import type { Secret } from './secret.ts'

/** What the option makes of the input, or the messages. */
function read(schema: ZodType, input: unknown): unknown {
  const result = schema.safeParse(input)
  return result.success ? result.data : result.error.issues.map((issue) => issue.message).join('; ')
}

test('durations are milliseconds and sizes are bytes', () => {
  assert.deepEqual(
    ['500ms', '5s', '1m', '12h', '7d', '1.5s'].map((text) => read(duration(), text)),
    [500, 5000, 60_000, 43_200_000, 604_800_000, 1500],
  )
  assert.deepEqual(
    ['100B', '64KiB', '32MiB', '1GiB', '0.5KiB'].map((text) => read(size(), text)),
    [100, 65_536, 33_554_432, 1_073_741_824, 512],
  )
  for (const text of ['', '5', '5 s', '-5s', '5S', 's', '1e3s', '5s5s', 5])
    assert.match(String(read(duration(), text)), /expected a duration/)
  for (const text of ['', '5', '5MB', '5mib', '-1B', 64]) assert.match(String(read(size(), text)), /expected a size/)
  assert.equal(read(duration({ minMs: 1000 }), '10ms'), 'must be at least 1s')
  assert.equal(read(size({ maxBytes: 10 }), '11B'), 'must be at most 10 bytes')
})

test('a formatted duration reads back as itself', () => {
  fc.assert(fc.property(fc.nat(), (ms) => assert.equal(read(duration(), formatDuration(ms)), ms)))
  assert.deepEqual([90_000, 43_200_000, 1500, 0].map(formatDuration), ['90s', '12h', '1500ms', '0ms'])
})

test('URLs with credentials are refused without repeating them', () => {
  for (const text of [
    'http://root:canary@fe:8030',
    'http://canary@fe:8030',
    'ftp://fe/canary',
    'canary',
    'http://fe\n.canary',
  ]) {
    const message = String(read(url(), text))
    assert.ok(message !== text && !message.includes('canary'), message)
  }
  assert.equal(read(url(), 'http://fe:8030'), 'http://fe:8030')
  assert.equal(read(url(['mysql']), 'mysql://h:1/db'), 'mysql://h:1/db')
})

test('a secret is masked, and a reference is one until it is resolved', () => {
  const found = read(secret(), 'canary') as Secret
  assert.deepEqual([String(found), found.reveal()], ['***', 'canary'])
  for (const reference of [{ file: 'x' }, { exec: 'x' }, { exec: ['a', 'b'] }]) {
    assert.equal((read(secret(), reference) as Secret).reveal(), '')
  }
  for (const wrong of [5, null, { file: '' }, { exec: [] }, { file: 'a', exec: 'b' }, { env: 'X' }]) {
    assert.equal(secret().safeParse(wrong).success, false, JSON.stringify(wrong))
  }
})

test('names and addresses hold no control characters', () => {
  for (const text of ['a\0', 'a\r\nHost: evil', 'a\u007f', ''])
    assert.equal(identifier().safeParse(text).success, false)
  assert.equal(read(identifier(), 'größe `"; drop'), 'größe `"; drop')
  for (const text of ['h:1', '[::1]:9092', 'a.b-c_d:65535']) assert.equal(read(hostPort(), text), text)
  for (const text of ['h', 'h:', 'h:1/x', 'u@h:1', 'h:123456'])
    assert.equal(hostPort().safeParse(text).success, false, text)
})

test('one value is a list of one, and properties become text', () => {
  assert.deepEqual(
    [read(oneOrMany(hostPort()), 'h:1'), read(oneOrMany(hostPort()), ['h:1', 'i:2'])],
    [['h:1'], ['h:1', 'i:2']],
  )
  assert.equal(oneOrMany(hostPort()).safeParse([]).success, false)
  assert.deepEqual(read(properties(), { a: 1, b: true, c: 'x' }), { a: '1', b: 'true', c: 'x' })
})
