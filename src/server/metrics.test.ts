import assert from 'node:assert/strict'
import { request } from 'node:http'
import { test } from 'node:test'
import { MillraceError, type JobEvent } from '../index.ts'
import { JobMetrics } from './metrics.ts'
import { parseMetricsAddress } from './metrics-address.ts'
import { openMetricsServer } from './metrics-server.ts'

const STEPS = [
  { id: 'rows', kind: 'source' },
  { id: 'out', kind: 'sink' },
]

/** Samples by name and labels, without the pipeline's own label. */
async function samples(metrics: JobMetrics): Promise<Record<string, number>> {
  const lines = (await metrics.text()).split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return Object.fromEntries(
    lines.map((line) => {
      const at = line.lastIndexOf(' ')
      return [
        line
          .slice(0, at)
          .replace(/,?pipeline="p"/, '')
          .replace('{}', ''),
        Number(line.slice(at + 1)),
      ]
    }),
  )
}

function progress(lane: number, rows: number, bytes: number): JobEvent {
  return { kind: 'lane', lane, message: { kind: 'progress', steps: { rows: { rows, bytes } }, positions: {} } }
}

test('totals of lanes become counters that only rise, over a restart of the job too', async () => {
  const metrics = new JobMetrics('p', STEPS, () => 0)
  for (const event of [progress(0, 100, 1000), progress(1, 50, 500), progress(0, 130, 1300)]) metrics.see(event)
  metrics.see({ kind: 'claimed', epoch: 2 })
  metrics.see(progress(0, 5, 50))
  const seen = await samples(metrics)
  assert.equal(seen['millrace_records_total{step="rows",direction="out"}'], 185)
  assert.equal(seen['millrace_bytes_total{step="rows",direction="out"}'], 1850)
  assert.equal(seen['millrace_epoch'], 2)
})

test('an exchange shows what it moves and how many keys are scattered', async () => {
  const metrics = new JobMetrics('p', STEPS, () => 0)
  const exchanged = (lane: number, moved: number, scattered: number): JobEvent => {
    return { kind: 'lane', lane, message: { kind: 'exchanged', exchange: 'out.exchange', kept: 10, moved, scattered } }
  }
  for (const event of [exchanged(0, 5, 2), exchanged(1, 7, 1)]) metrics.see(event)
  const seen = await samples(metrics)
  assert.equal(seen['millrace_exchange_records_total{step="out.exchange",way="kept"}'], 20)
  assert.equal(seen['millrace_exchange_records_total{step="out.exchange",way="moved"}'], 12)
  assert.equal(seen['millrace_exchange_scattered_keys{step="out.exchange"}'], 1)
})

test('what steps keep is shown for each lane', async () => {
  const metrics = new JobMetrics('p', STEPS, () => 0)
  const kept = (lane: number, rows: number): JobEvent => {
    return { kind: 'lane', lane, message: { kind: 'kept', step: 'totals', rows } }
  }
  for (const event of [kept(0, 5), kept(1, 7), kept(0, 3)]) metrics.see(event)
  const seen = await samples(metrics)
  assert.equal(seen['millrace_state_rows{step="totals",lane="0"}'], 3)
  assert.equal(seen['millrace_state_rows{step="totals",lane="1"}'], 7)
})

test('how far behind the events of a source are, in the lane that is behind most', async () => {
  const metrics = new JobMetrics('p', STEPS, () => 0)
  const behind = (lane: number, ms?: number): JobEvent => {
    return { kind: 'lane', lane, message: { kind: 'behind', source: 'rows', ...(ms !== undefined && { ms }) } }
  }
  metrics.see(behind(0))
  assert.equal('millrace_event_time_lag_seconds{source="rows"}' in (await samples(metrics)), false)
  for (const event of [behind(0, 1500), behind(1, 90_000)]) metrics.see(event)
  assert.equal((await samples(metrics))['millrace_event_time_lag_seconds{source="rows"}'], 90)
  metrics.see(behind(1))
  assert.equal((await samples(metrics))['millrace_event_time_lag_seconds{source="rows"}'], 1.5)
})

test('how long the job may be down, and whether half of it is over', async () => {
  const metrics = new JobMetrics('p', STEPS, () => 0)
  const part = { part: 'out', kind: 'sink', ms: 90_000, what: 'labels' } as const
  metrics.see({ kind: 'safe-downtime', parts: [part] })
  const calm = await samples(metrics)
  assert.deepEqual([calm['millrace_safe_downtime_seconds{part="out"}'], calm['millrace_expiring']], [90, 0])
  metrics.see({ kind: 'expiring', what: { ...part, usedMs: 50_000, state: 'half' } })
  assert.equal((await samples(metrics))['millrace_expiring'], 1)
})

test('a checkpoint is timed from its first row until it is visible', async () => {
  let now = 0
  const metrics = new JobMetrics('p', STEPS, () => now)
  const accounting = { read: 1, copied: 0, filtered: 0, deadLettered: 0, written: 1 }
  const read: JobEvent = { kind: 'lane', lane: 0, message: { kind: 'read', attempt: 1 } }
  metrics.see(read)
  now = 1000
  metrics.see({ kind: 'triggered', checkpoint: 1 })
  metrics.see(read)
  now = 1500
  const deadLetters = new Map([['clicks', { rows: 3 }]])
  metrics.see({ kind: 'published', checkpoint: 1, accounting, tookMs: 500, committables: [], deadLetters })
  now = 3500
  assert.equal((await samples(metrics))['millrace_commit_lag_seconds'], 2)
  metrics.see({ kind: 'confirmed', checkpoint: 1, tookMs: 2000 })
  const seen = await samples(metrics)
  assert.equal(seen['millrace_visibility_lag_seconds_sum'], 3.5)
  assert.equal(seen['millrace_dead_letters_total{part="clicks"}'], 3)
  assert.equal(seen['millrace_checkpoint_seconds_sum'], 0.5)
  assert.equal(seen['millrace_commit_lag_seconds'], 0)
})

test('labels hold ids and known words only, and a metric without a value is not there', async () => {
  const metrics = new JobMetrics('p', STEPS, () => 0)
  const count = (result: string): JobEvent => ({
    kind: 'lane',
    lane: 0,
    message: { kind: 'count', name: 'loads', by: 1, labels: { sink: 'out', result } },
  })
  metrics.see(count('ok'))
  metrics.see(count('row 17 "Ann O\'Neil"\n'))
  metrics.see({ kind: 'lag', records: { rows: 42 } })
  metrics.see({ kind: 'headroom', seconds: { rows: 3600 } })
  metrics.see({ kind: 'stall', what: 'reading' })
  const seen = await samples(metrics)
  assert.equal(seen['millrace_loads_total{sink="out",result="ok"}'], 1)
  assert.equal(seen['millrace_loads_total{sink="out",result="other"}'], 1)
  assert.equal(seen['millrace_source_lag_records{source="rows"}'], 42)
  assert.equal(seen['millrace_retention_headroom_seconds{source="rows"}'], 3600)
  assert.equal(seen['millrace_stalled{what="reading"}'], 1)
  assert.equal(seen['millrace_stalled{what="committing"}'], 0)
  assert.ok(!Object.keys(seen).some((name) => name.includes('dead_letters') || name.includes('checkpoint_seconds')))
})

test('the listener serves two pages for reading, to those who know its name', async () => {
  let trouble: string | undefined
  const server = await openMetricsServer(parseMetricsAddress('0'), {
    metrics: async () => ({ type: 'text/plain; version=0.0.4', text: 'up 1\n' }),
    trouble: () => trouble,
  })
  try {
    assert.match(server.url, /^http:\/\/127\.0\.0\.1:\d+\/metrics$/)
    const ask = (path: string, host = 'localhost', method = 'GET'): Promise<[number, string]> =>
      fetchRaw(new URL(path, server.url), host, method)
    assert.deepEqual(await ask('/metrics'), [200, 'up 1\n'])
    assert.deepEqual(await ask('/metrics', '127.0.0.1:9464'), [200, 'up 1\n'])
    assert.deepEqual(await ask('/healthz', '[::1]:1'), [200, 'ok\n'])
    assert.equal((await ask('/'))[0], 404)
    assert.equal((await ask('/metrics', 'localhost', 'POST'))[0], 405)
    for (const host of ['evil.example', 'localhost.evil.example', '127.0.0.1.evil.example:80']) {
      assert.equal((await ask('/metrics', host))[0], 421, host)
    }
    trouble = 'standing still: reading'
    assert.deepEqual(await ask('/healthz'), [503, 'standing still: reading\n'])
  } finally {
    await server.close()
  }
})

test('an address without a host is this machine only', () => {
  assert.deepEqual(parseMetricsAddress('9464'), { host: '127.0.0.1', port: 9464 })
  assert.deepEqual(parseMetricsAddress('0.0.0.0:9464'), { host: '0.0.0.0', port: 9464 })
  assert.deepEqual(parseMetricsAddress('[::1]:9464'), { host: '::1', port: 9464 })
  for (const bad of ['', 'x', ':1', '1:2:3', '70000', 'http://a:1']) {
    assert.throws(() => parseMetricsAddress(bad), MillraceError, bad)
  }
})

/** `fetch` does not let a caller choose the Host header. */
function fetchRaw(url: URL, host: string, method: string): Promise<[number, string]> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, headers: { host }, agent: false }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (part: string) => (text += part))
      response.on('end', () => resolve([response.statusCode ?? 0, text]))
    })
    sent.on('error', reject).end()
  })
}
