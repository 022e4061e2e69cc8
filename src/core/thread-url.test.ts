import assert from 'node:assert/strict'
import { test } from 'node:test'
import { threadUrl } from './thread-url.ts'

test('a thread’s entry is looked for in its room, in the caller’s language, from wherever a bundle put the caller', () => {
  const lane = '../runtime/lane-thread'
  assert.equal(threadUrl(lane, 'file:///x/src/runtime/job.ts').href, 'file:///x/src/runtime/lane-thread.ts')
  assert.equal(threadUrl(lane, 'file:///x/dist/chunks/job-1.js').href, 'file:///x/dist/runtime/lane-thread.js')
})
