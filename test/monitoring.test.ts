import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { parse } from 'yaml'

function read(file: string): string {
  return readFileSync(new URL(`../${file}`, import.meta.url), 'utf8')
}

function metricsIn(text: string): Set<string> {
  const names = text.match(/\bmillrace_[a-z_]+/g) ?? []
  return new Set(names.map((name) => name.replace(/_(bucket|sum|count)$/, '')))
}

const made = metricsIn(read('src/server/metrics.ts'))
const page = read('docs/monitoring.md')

test('the page lists the metrics that there are, and no others', () => {
  assert.deepEqual([...metricsIn(page)].toSorted(), [...made].toSorted())
})

test('alerts and dashboard ask for metrics that there are', () => {
  for (const file of ['monitoring/alerts.yaml', 'monitoring/grafana.json']) {
    const unknown = [...metricsIn(read(file))].filter((name) => !made.has(name))
    assert.deepEqual(unknown, [], file)
  }
})

test('every alert is explained, and says what to do', () => {
  const { groups } = parse(read('monitoring/alerts.yaml')) as {
    groups: { rules: { alert: string; expr: string; annotations: Readonly<Record<string, string>> }[] }[]
  }
  const rules = groups.flatMap((group) => group.rules)
  assert.ok(rules.length > 0)
  for (const { alert, annotations } of rules) {
    assert.ok(page.includes(`\`${alert}\``), `${alert} is on the page`)
    assert.ok((annotations['summary'] ?? '') !== '' && (annotations['action'] ?? '') !== '', alert)
  }
})

test('the panels of the dashboard are numbered and do not lie on each other', () => {
  const { panels } = JSON.parse(read('monitoring/grafana.json')) as {
    panels: { id: number; gridPos: { x: number; y: number } }[]
  }
  assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length)
  assert.equal(new Set(panels.map(({ gridPos }) => `${gridPos.x}/${gridPos.y}`)).size, panels.length)
})
