import assert from 'node:assert/strict'
import { test } from 'node:test'
import { replayDefinition } from './replay-definition.ts'

const PIPELINE = {
  name: 'clicks',
  was: 'old',
  parallelism: 2,
  sources: {
    clicks: { connector: 'kafka', topics: ['clicks'], start: 'latest' },
    users: { connector: 'kafka' },
    other: { connector: 'file' },
  },
  transforms: {
    good: { from: 'clicks', filter: 'id > 0' },
    both: { union: { from: ['good', 'users.output'] } },
    lost: { from: 'other', filter: 'true' },
  },
  sinks: {
    warehouse: { from: 'both', connector: 'starrocks', table: 'clicks', deadLetter: { to: 'bad' } },
    lake: { from: ['lost'], connector: 'hudi', path: './lake' },
    bad: { connector: 'files', path: './bad' },
  },
}

test('a replay keeps what leads to its sink, its dead letters, and nothing that names the state of the job', () => {
  const ranges = new Map([['clicks', { start: { clicks: { 0: '1' } }, end: { clicks: { 0: '9' } } }]])
  assert.deepEqual(replayDefinition(PIPELINE, { name: 'again', sink: 'warehouse', to: 'clicks2', ranges }), {
    name: 'again',
    parallelism: 2,
    sources: {
      clicks: { connector: 'kafka', topics: ['clicks'], start: { clicks: { 0: '1' } }, end: { clicks: { 0: '9' } } },
      users: { connector: 'kafka' },
    },
    transforms: { good: PIPELINE.transforms.good, both: PIPELINE.transforms.both },
    sinks: { warehouse: { ...PIPELINE.sinks.warehouse, table: 'clicks2' }, bad: PIPELINE.sinks.bad },
  })
})

test('without another target the sink stays as it is, and sinks of many tables have no other target', () => {
  const same = replayDefinition(PIPELINE, { name: 'again', sink: 'lake', to: undefined, ranges: new Map() })
  assert.deepEqual(same['sinks'], { lake: PIPELINE.sinks.lake })
  const routed = { ...PIPELINE, sinks: { all: { from: 'good', connector: 'doris', routes: [] } } }
  assert.throws(() => replayDefinition(routed, { name: 'again', sink: 'all', to: 't', ranges: new Map() }), {
    code: 'CONFIG',
    message: /doris with routes/,
  })
})
