/** docs/guarantees.md names what always holds, and who sees to it. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { repository } from './tidy/source-tree.ts'

const docs = path.join(repository, 'docs')
const page = readFileSync(path.join(docs, 'guarantees.md'), 'utf8')

interface Invariant {
  readonly number: number
  readonly text: string
  readonly heldBy: string
}

const invariants: readonly Invariant[] = [...page.matchAll(/^\| (\d+) +\| (.+?) +\| (.+?) +\|$/gm)]
  // Exit codes stand in a table of numbers as well.
  .filter(([, , , heldBy = '']) => /\.test\.ts|sinks|sources/.test(heldBy))
  .map(([, number, text = '', heldBy = '']) => ({ number: Number(number), text, heldBy }))

test('the invariants are numbered one after the other', () => {
  assert.ok(invariants.length >= 25, `${invariants.length} were found`)
  assert.deepEqual(
    invariants.map(({ number }) => number),
    invariants.map((_, index) => index + 1),
  )
})

test('each invariant is held by a test that is there and asserts something', () => {
  for (const { number, text, heldBy } of invariants) {
    const files = [...heldBy.matchAll(/\]\(([^)]+\.test\.ts)\)/g)].map(([, file = '']) => path.join(docs, file))
    assert.ok(files.length > 0 || /\b(sinks|sources)\b/.test(heldBy), `${number}: ${text}`)
    for (const file of files) {
      assert.ok(existsSync(file), `${number} names ${file}`)
      assert.match(readFileSync(file, 'utf8'), /\btest\(|\bsuite\(|sinkSuite|sourceSuite|Suite\(/, file)
    }
  }
})
