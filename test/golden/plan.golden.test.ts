/**
 * Whole pipeline files beside what planning makes of them: `x.yaml` and `x.expected`. A new case is a new file;
 * `MILLRACE_GOLDEN=write node --test test/golden/plan.golden.test.ts` writes what is expected, and the diff is reviewed.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { findingsText } from '../../src/cli/findings-text.ts'
import { renderText } from '../../src/cli/terminal.ts'
import { explain, explanationText } from '../../src/plan/explain.ts'
import { loadPipeline } from '../../src/plan/load-pipeline.ts'
import { storeOpener } from '../../src/storage/open-store.ts'
import { PLAN_CONNECTORS } from '../../src/testkit/plan-connectors.ts'

const directory = path.join(import.meta.dirname, 'plan')
const files = readdirSync(directory).filter((file) => file.endsWith('.yaml'))

async function planned(file: string): Promise<string> {
  const environment = { PASSWORD: 'canary-4711' }
  const loaded = await loadPipeline(path.join(directory, file), {
    connectors: PLAN_CONNECTORS,
    environment,
    storeOpener,
    secrets: 'leave',
  })
  const text =
    findingsText(loaded.findings) +
    (loaded.planned === undefined ? '' : explanationText(await explain(loaded.planned, PLAN_CONNECTORS)))
  return renderText(text, false).replaceAll(`${directory}/`, './')
}

assert.ok(files.length > 0)
for (const file of files) {
  test(`${file} is planned as expected`, async () => {
    const expected = path.join(directory, file.replace(/yaml$/, 'expected'))
    const actual = await planned(file)
    assert.ok(!actual.includes('canary') && !actual.includes('hunter22'), 'no secret is printed')
    if (process.env['MILLRACE_GOLDEN'] === 'write') writeFileSync(expected, actual)
    else assert.equal(actual, readFileSync(expected, 'utf8'))
  })
}
