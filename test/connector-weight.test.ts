import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { CONNECTOR_MODULES } from '../src/connectors/registry.ts'

/** Its rows are encoded by DuckDB in any case. */
const NEEDS_DUCKDB = ['hudi']

test('naming a connector loads no database: a lane that passes bytes on has its memory for them', () => {
  const modules = Object.entries(CONNECTOR_MODULES).filter(([name]) => !NEEDS_DUCKDB.includes(name))
  assert.ok(modules.length > 5)
  const script = `
    import { Module } from 'node:module'
    for (const [name, url] of ${JSON.stringify(modules)}) {
      await import(url)
      const heavy = Object.keys(Module._cache).filter((file) => /duckdb|mysql2|[\\\\/]pg[\\\\/]/.test(file))
      if (heavy.length > 0) throw new Error(name + ' loads ' + heavy[0])
    }`
  execFileSync(process.execPath, ['--input-type=module', '-e', script], { stdio: 'pipe' })
})
