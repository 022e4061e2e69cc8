import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { HandOverFile, handOverDirectory } from './hand-over.ts'

test('contents are replaced whole, and read into a recycled buffer when it is large enough', () => {
  const directory = mkdtempSync(path.join(tmpdir(), 'millrace-test-'))
  const file = HandOverFile.open(directory)
  try {
    file.write(Buffer.from('a longer content'), 16)
    file.write(Buffer.from('short...'), 5)
    const first = file.read(undefined)
    assert.equal(first.buffer.toString('utf8', 0, first.length), 'short')
    assert.equal(file.read(first.buffer).buffer, first.buffer)
    assert.notEqual(file.read(Buffer.alloc(4)).length, 4)
  } finally {
    file.close()
    file.close()
    rmSync(directory, { recursive: true })
  }
})

test('on Linux nothing is left behind even without closing', () => {
  if (process.platform !== 'linux') return
  const directory = mkdtempSync(path.join(tmpdir(), 'millrace-test-'))
  const file = HandOverFile.open(directory)
  try {
    assert.deepEqual(readdirSync(directory), [])
    assert.match(file.path, /^\/proc\/self\/fd\/\d+$/)
  } finally {
    file.close()
    rmSync(directory, { recursive: true })
  }
})

test('without shared memory the temporary directory is used', () => {
  assert.equal(handOverDirectory(path.join(tmpdir(), 'there-is-no-such-directory')), tmpdir())
})
