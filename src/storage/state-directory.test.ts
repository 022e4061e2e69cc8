import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { openStateDirectory } from './state-directory.ts'

function openRoot(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), 'millrace-state-'))
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) }
}

const modeOf = (path: string): number => statSync(path).mode & 0o777

test('the directory is made for its user alone, and closed to others if it was open to them', () => {
  using root = openRoot()
  const made = openStateDirectory(join(root.path, 'deep', 'state'), 'job')
  assert.equal(modeOf(made), 0o700)
  chmodSync(made, 0o755)
  assert.equal(openStateDirectory(join(root.path, 'deep', 'state'), 'job'), made)
  assert.equal(modeOf(made), 0o700)
})

test('a directory that others may write to, a link and a file are refused', () => {
  using root = openRoot()
  mkdirSync(join(root.path, 'open'))
  chmodSync(join(root.path, 'open'), 0o777)
  symlinkSync(tmpdir(), join(root.path, 'link'))
  writeFileSync(join(root.path, 'file'), '')
  for (const job of ['open', 'link', 'file']) {
    assert.throws(() => openStateDirectory(root.path, job), { code: 'STORE_IO' }, job)
  }
})
