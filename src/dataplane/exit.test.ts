/*
 * Ending a process while DuckDB works aborts it (code 134) or hangs it, unless the lane's database is closed first. A
 * child process runs an endless native query in a worker thread, is told to stop, and must leave its report and end with
 * the code that was wanted.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const CHILD = fileURLToPath(new URL('../../test/fixtures/dataplane/exit-child.ts', import.meta.url))

interface Ended {
  readonly code: number | null
  readonly signal: string | null
  readonly report: string
}

async function runChild(how: string, code: number): Promise<Ended> {
  const directory = await mkdtemp(path.join(tmpdir(), 'millrace-exit-'))
  const reportFile = path.join(directory, 'report')
  try {
    const child = spawn(process.execPath, [CHILD, how, String(code), reportFile], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    child.stdout.once('data', () => child.stdin.write('stop\n'))
    const [exitCode, signal] = await new Promise<[number | null, string | null]>((resolve) => {
      child.once('exit', (...ended) => resolve(ended))
    })
    return { code: exitCode, signal, report: await readFile(reportFile, 'utf8') }
  } finally {
    await rm(directory, { recursive: true })
  }
}

for (const code of [0, 1, 66, 71]) {
  test(`a process that is told to stop during a query ends with code ${code}`, async () => {
    assert.deepEqual(await runChild('exit', code), {
      code,
      signal: null,
      report: `ended with INTERRUPTED, code ${code}`,
    })
  })
}

test('a worker whose error is caught ends the process orderly', async () => {
  assert.deepEqual(await runChild('throw', 72), { code: 72, signal: null, report: 'ended with INTERRUPTED, code 72' })
})
