import assert from 'node:assert/strict'
import { test } from 'node:test'
import { threadUrl } from './thread-url.ts'

test('a thread’s entry is looked for beside its caller, in the caller’s language', () => {
  assert.equal(threadUrl('./lane-thread', 'file:///x/src/runtime/job.ts').href, 'file:///x/src/runtime/lane-thread.ts')
  assert.equal(
    threadUrl('./lane-thread', 'file:///x/dist/runtime/job.js').href,
    'file:///x/dist/runtime/lane-thread.js',
  )
})
