import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SinkDescription, SourceDescription } from '../core/connector.ts'
import type { Draft } from './check-definition.ts'
import { formatPath } from './parsed-file.ts'
import { severalTablesFindings } from './several-tables.ts'

const sources = new Map(
  ['one', 'many'].map((id) => [id, { tables: id === 'many' } as Partial<SourceDescription> as SourceDescription]),
)
const sinks = new Map(
  ['table', 'routes'].map((id) => [id, { tables: id === 'routes' } as Partial<SinkDescription> as SinkDescription]),
)

function refused(parts: { transforms?: Record<string, string[]>; sinks?: Record<string, string[]> }): string[] {
  const listed = (all: Record<string, string[]> = {}): object[] =>
    Object.entries(all).map(([id, from]) => ({ id, from }))
  const draft = { transforms: listed(parts.transforms), sinks: listed(parts.sinks) } as unknown as Draft
  return severalTablesFindings(draft, sources, sinks).map(({ path }) => formatPath(path ?? []))
}

test('rows of several tables go straight to a sink with routes, and only there', () => {
  assert.deepEqual(refused({ sinks: { routes: ['many'], table: ['one'] }, transforms: { sql: ['one'] } }), [])
  assert.deepEqual(refused({ transforms: { sql: ['many'] } }), ['transforms.sql.from'])
  assert.deepEqual(refused({ sinks: { table: ['many'] } }), ['sinks.table.from'])
  assert.deepEqual(refused({ sinks: { routes: ['one'] } }), ['sinks.routes.from'])
  assert.deepEqual(refused({ sinks: { routes: ['sql'] } }), ['sinks.routes.from'])
})
