/** Looking at and steering a job from outside, with the real program in processes of their own. */
import assert from 'node:assert/strict'
import { appendFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { CommandLine, millrace, resultOf } from './command-line.ts'

interface Status {
  readonly running: { readonly pid: number; readonly state: string; readonly rows: number } | null
  readonly ended: string | null
  readonly confirmedUpTo: number
  readonly pending: readonly unknown[]
  readonly halt: { readonly code: string } | null
}

const ROWS = 1000

/** A pipeline that follows a file with a thousand rows. */
async function makePipeline(
  sink: string,
  checkpoint = '',
): Promise<{ directory: string; input: string } & AsyncDisposable> {
  const made = await mkdtempDisposable(path.join(tmpdir(), 'millrace-operate-'))
  mkdirSync(path.join(made.path, 'in'))
  const input = path.join(made.path, 'in', 'rows.ndjson')
  writeFileSync(input, Array.from({ length: ROWS }, (_, id) => `{"id":${id}}\n`).join(''))
  writeFileSync(
    path.join(made.path, 'p.yaml'),
    `name: p
parallelism: 1
accept: [append-only-files]
sources:
  rows: {connector: file, path: ./in, format: json, follow: true, schema: {id: bigint, name: varchar}}
sinks:
  out: {from: rows, ${sink}}
checkpoint: {interval: 300ms, storage: ./state${checkpoint}}
`,
  )
  return { directory: made.path, input, [Symbol.asyncDispose]: () => made.remove() }
}

const isConfirmed = (event: { readonly event?: string }): boolean => event.event === 'confirmed'
const hasStarted = (event: { readonly event?: string }): boolean => event.event === 'started'

test('a running job is looked at, tapped and stopped from outside', async () => {
  await using pipeline = await makePipeline('connector: blackhole')
  const { directory, input } = pipeline
  assert.match((await millrace(directory, 'status', 'p.yaml')).out, /never ran/)
  assert.equal((await millrace(directory, 'tap', 'p.yaml', 'rows')).code, 1, 'nobody runs')
  await using job = new CommandLine(directory, 'run', 'p.yaml', '--metrics', '0')
  await job.event(isConfirmed)
  const { message } = await job.event((event) => String(event['message']).startsWith('metrics at '))
  const readMetrics = async (): Promise<string> => (await fetch(String(message).slice('metrics at '.length))).text()
  // Lanes tell their totals a few times a second.
  while (!/millrace_records_total\{step="out",direction="in",pipeline="p"\} 1000\n/.test(await readMetrics()));
  assert.match(await readMetrics(), /millrace_checkpoint_seconds_count\{pipeline="p"\} 1\n/)

  const status = await resultOf<Status>(directory, 'status', 'p.yaml')
  assert.deepEqual([status.running?.pid, status.running?.state, status.running?.rows], [job.pid, 'running', ROWS])
  assert.match((await millrace(directory, 'status', 'state/p')).out, /running.*\n +read +1,000 rows/)
  const { checkpoints } = await resultOf<{ checkpoints: { state: string; written: number }[] }>(
    directory,
    'checkpoints',
    'p.yaml',
  )
  assert.deepEqual(
    checkpoints.map(({ state, written }) => [state, written]),
    [['confirmed', ROWS]],
  )

  await using tap = new CommandLine(directory, 'tap', 'p.yaml', 'rows', '--limit', '3')
  while (!tap.hasEnded) {
    appendFileSync(input, '{"id":1,"name":"\u009b31mred"}\n')
    await pause(20)
  }
  assert.equal((await tap.ended()).code, 0)
  assert.equal(tap.out, '{"id":1,"name":"\\x9b31mred"}\n'.repeat(3))
  await using endless = new CommandLine(directory, 'tap', 'p.yaml', 'rows', '--limit', '1000')
  while (endless.out === '') {
    appendFileSync(input, '{"id":1}\n')
    await pause(20)
  }
  endless.signal('SIGINT')
  assert.equal((await endless.ended()).code, 0, 'Ctrl-C ends a tap')
  const unknown = await millrace(directory, 'tap', 'p.yaml', 'out')
  assert.equal(unknown.code, 64)
  assert.match(unknown.err, /no records leave the sink "out".*rows/)
  const decide = await millrace(directory, 'decide', 'p.yaml', 'rewind', '--yes')
  assert.equal(decide.code, 64)
  assert.match(decide.err, /p is running.*--force.*fenced/)

  const stop = await millrace(directory, 'stop', 'p.yaml')
  assert.equal(stop.code, 0)
  assert.match(stop.out, /p stopped at checkpoint \d+/)
  assert.deepEqual(await job.ended(), { code: 0, signal: null })
  assert.ok(job.events().some((event) => event.event === 'ended' && event['as'] === 'stopped'))
  const after = await resultOf<Status>(directory, 'status', 'p.yaml')
  assert.deepEqual([after.running, after.ended, after.pending], [null, 'stopped', []])
  const detail = await millrace(directory, 'checkpoints', 'p.yaml', String(after.confirmedUpTo))
  assert.match(detail.out, /confirmed[^]*in\/rows\.ndjson +\{"offset":\d+/)
  assert.match((await millrace(directory, 'stop', 'p.yaml')).out, /not running/)
})

test('a second start takes over: the first one ends with 66, and no row is written twice', async () => {
  await using pipeline = await makePipeline('connector: files, path: ./out, format: ndjson')
  const { directory, input } = pipeline
  await using first = new CommandLine(directory, 'run', 'p.yaml')
  await first.event(isConfirmed)
  await using second = new CommandLine(directory, 'run', 'p.yaml')
  await second.event(hasStarted)
  appendFileSync(input, `{"id":${ROWS}}\n`)
  assert.deepEqual(await first.ended(), { code: 66, signal: null })
  assert.ok(first.events().some((event) => event.event === 'halted' && event['code'] === 'FENCED'))
  assert.match(first.err, /FENCED .*p.*taken over/)
  await second.event((event) => isConfirmed(event))
  const { running } = await resultOf<Status>(directory, 'status', 'p.yaml')
  assert.equal(running?.pid, second.pid, 'the first one left the socket of the second alone')
  second.signal('SIGTERM')
  assert.deepEqual(await second.ended(), { code: 0, signal: null })
  assert.ok(second.events().some((event) => event.event === 'ended' && event['as'] === 'stopped'))
  assert.deepEqual(
    idsIn(path.join(directory, 'out')),
    Array.from({ length: ROWS + 1 }, (_, id) => id),
  )
})

test('a second SIGTERM ends at once, and the next start commits what was published', async () => {
  await using server = await startStarRocks()
  const fault = await server.refuseCommits()
  await using pipeline = await makePipeline(server.sink)
  const { directory } = pipeline
  await using job = new CommandLine(directory, 'run', 'p.yaml')
  await job.event((event) => event.event === 'published')
  job.signal('SIGTERM')
  while ((await resultOf<Status>(directory, 'status', 'p.yaml')).running?.state !== 'stopping');
  const status = await resultOf<Status>(directory, 'status', 'p.yaml')
  assert.equal(status.pending.length, 1)
  while (!job.hasEnded) {
    job.signal('SIGTERM')
    await pause(20)
  }
  assert.deepEqual(await job.ended(), { code: null, signal: 'SIGKILL' })
  assert.match((await millrace(directory, 'status', 'p.yaml')).out, /not running[^]*pending +out 1 \(1,000 rows\)/)

  await server.control('DELETE', `/faults/${fault}`)
  await using again = new CommandLine(directory, 'run', 'p.yaml')
  await again.event((event) => event.event === 'restored' && event['recommitted'] === 1)
  await again.event(hasStarted)
  assert.equal((await millrace(directory, 'stop', 'p.yaml')).code, 0)
  assert.deepEqual(await server.control('GET', '/tables/demo/events/count'), { count: ROWS })
  server.program.signal('SIGINT')
  assert.equal((await server.program.ended()).code, 0)
})

test('a lost transaction halts the job with 67, and goes on when its rows are given up by their number', async () => {
  await using server = await startStarRocks()
  const fault = await server.refuseCommits()
  await using pipeline = await makePipeline(server.sink)
  const { directory, input } = pipeline
  await using job = new CommandLine(directory, 'run', 'p.yaml')
  await job.event((event) => event.event === 'published')
  // A later checkpoint is built on the one that will be lost: there is no way back.
  appendFileSync(input, `{"id":${ROWS}}\n`)
  await job.event((event) => event.event === 'published' && event['checkpoint'] === 2)
  job.signal('SIGKILL')
  await job.ended()
  await server.control('DELETE', `/faults/${fault}`)
  assert.match((await millrace(directory, 'decide', 'p.yaml')).out, /nothing has to be decided/)
  await server.rollBack()

  const halted = await millrace(directory, 'run', 'p.yaml')
  assert.equal(halted.code, 67)
  assert.equal((await resultOf<Status>(directory, 'status', 'p.yaml')).halt?.code, 'PREPARED_LOST')
  const shown = await millrace(directory, 'decide', 'p.yaml')
  assert.match(shown.out, /1,000 rows are lost[^]*accept-loss[^]*no rewind: a later checkpoint/)
  for (const refused of [
    ['rewind', '--yes'],
    ['accept-loss', '--yes'],
    ['accept-loss', '--confirm-rows', '999'],
  ]) {
    assert.equal((await millrace(directory, 'decide', 'p.yaml', ...refused)).code, 64, refused.join(' '))
  }
  const answer = ['accept-loss', '--confirm-rows', '1000', '--checkpoint', '1', '--reason', 'ticket 7']
  assert.equal((await millrace(directory, 'decide', 'p.yaml', ...answer)).code, 0)
  assert.match((await millrace(directory, 'status', 'p.yaml')).out, /decided: accept-loss/)
  const detail = await millrace(directory, 'checkpoints', 'p.yaml', '1')
  assert.match(detail.out, /accept-loss of out .*: ticket 7[^]*rows\.ndjson +\{"offset"/)
  assert.match(detail.out, /published .* by epoch 1 in [^]*manifest of [^]*out +1 +1 +1,000 +given-up +\{.*"label"/)
  const two = await resultOf<{ transactions: { checkpoint: number; fate: string }[]; manifestBytes: number }>(
    directory,
    'checkpoints',
    'p.yaml',
    '2',
  )
  assert.deepEqual(
    two.transactions.map(({ checkpoint, fate }) => [checkpoint, fate]),
    [
      [1, 'given-up'],
      [2, 'pending'],
    ],
  )
  assert.ok(two.manifestBytes > 500)
  await using again = new CommandLine(directory, 'run', 'p.yaml')
  await again.event(hasStarted)
  assert.equal((await millrace(directory, 'stop', 'p.yaml')).code, 0)
  assert.equal((await again.ended()).code, 0)
})

test('a job that cannot confirm for half of its safe downtime warns, and says when that is over', async () => {
  await using server = await startStarRocks()
  // What remains of it after the timeout of a checkpoint and a margin of five minutes is a second.
  const options = `${server.sink}, serverPreparedTimeout: 311s`
  await using pipeline = await makePipeline(options, ', timeout: 10s, maxDowntime: 1s')
  const { directory } = pipeline
  const part = { part: 'out', kind: 'sink', ms: 1000 }
  const checked = await millrace(directory, 'check', 'p.yaml', '--connect')
  assert.match(checked.out, /safe downtime 1\.0 s, then prepared transactions \(.*\) of out expire/)
  const { pipelines } = await resultOf<{ pipelines: { safeDowntime: object }[] }>(
    directory,
    'check',
    'p.yaml',
    '--connect',
  )
  assert.partialDeepStrictEqual(pipelines[0]?.safeDowntime, part)

  const fault = await server.refuseCommits()
  await using job = new CommandLine(directory, 'run', 'p.yaml')
  await job.event(({ event, message }) => event === 'log' && String(message).startsWith('safe downtime: 1.0 s'))
  const { what } = await job.event(({ event, what: expiring }) => event === 'expiring' && expiring !== null)
  assert.partialDeepStrictEqual(what, part)
  await job.event(({ level, message }) => level === 'warn' && /nothing was confirmed for/.test(String(message)))
  const status = await resultOf<{ safeDowntime: object; aging: object }>(directory, 'status', 'p.yaml')
  assert.partialDeepStrictEqual([status.safeDowntime, status.aging], [part, part])
  assert.match((await millrace(directory, 'status', 'p.yaml')).out, /! .*of out .*expire.*see why nothing is confirmed/)
  await server.control('DELETE', `/faults/${fault}`)
  await job.event(({ event, what: expiring }) => event === 'expiring' && expiring === null)
  assert.equal((await millrace(directory, 'stop', 'p.yaml')).code, 0)
  assert.equal((await resultOf<{ aging: unknown }>(directory, 'status', 'p.yaml')).aging, null)
})

test('going back aborts what is prepared, and its rows are there once', async () => {
  await using server = await startStarRocks()
  await using pipeline = await makePipeline(server.sink)
  const { directory, input } = pipeline
  await using job = new CommandLine(directory, 'run', 'p.yaml')
  await job.event(isConfirmed)
  const fault = await server.refuseCommits()
  appendFileSync(input, `{"id":${ROWS}}\n`)
  await job.event((event) => event.event === 'published' && event['checkpoint'] === 2)
  job.signal('SIGKILL')
  await job.ended()
  await server.control('DELETE', `/faults/${fault}`)
  const { rollback, as } = await resultOf<{ rollback: object; as: number }>(
    directory,
    'rollback',
    'p.yaml',
    '--to',
    '1',
    '--rewind',
  )
  const sinks = [{ sink: 'out', duplicated: 0, voided: 1 }]
  assert.deepEqual([rollback, as], [{ to: 1, from: 2, sinks, untold: null }, 3])
  assert.deepEqual((await resultOf<Status>(directory, 'status', 'p.yaml')).pending, [])
  await using again = new CommandLine(directory, 'run', 'p.yaml')
  await again.event((event) => isConfirmed(event) && event['checkpoint'] === 4)
  assert.equal((await millrace(directory, 'stop', 'p.yaml')).code, 0)
  assert.deepEqual(await server.control('GET', '/tables/demo/events/count'), { count: ROWS + 1 })
})

interface StarRocks extends AsyncDisposable {
  readonly program: CommandLine
  /** The options of a sink for it. */
  readonly sink: string
  control(method: string, path: string, body?: object): Promise<unknown>
  /** Commits are answered with "busy" until the fault is taken away. */
  refuseCommits(): Promise<string>
  /** Rolls the transaction of the first checkpoint back, as another user of the server could. */
  rollBack(): Promise<void>
}

async function startStarRocks(): Promise<StarRocks> {
  const program = new CommandLine(tmpdir(), 'emulate', 'starrocks', '--create-tables', '--json')
  const { urls, backends, controlUrl } = (await program.event((event) => 'controlUrl' in event)) as unknown as {
    urls: string[]
    backends: string[]
    controlUrl: string
  }
  const control = async (method: string, at: string, body?: object): Promise<unknown> => {
    const reply = await fetch(`${controlUrl}${at}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    return reply.headers.get('content-type')?.includes('json') === true ? reply.json() : reply.text()
  }
  return {
    program,
    sink:
      `connector: starrocks, url: ['${urls[0]}'], backends: [${backends.map((one) => `'${one}'`).join(', ')}], ` +
      "database: demo, table: events, username: root, password: ''",
    control,
    refuseCommits: async () => {
      const match = { operation: 'commit', times: 0 }
      const rule = { match, action: 'status', status: 503, body: 'busy' }
      return ((await control('POST', '/faults', rule)) as { id: string }).id
    },
    rollBack: async () => {
      const all = (await control('GET', '/transactions')) as { label: string }[]
      const transaction = all.find(({ label }) => label.includes('_c1_'))
      const authorization = `Basic ${Buffer.from('root:').toString('base64')}`
      const headers = { authorization, label: transaction?.label ?? '', db: 'demo', table: 'events' }
      const reply = await fetch(`${urls[0]}/api/transaction/rollback`, { method: 'POST', headers })
      assert.match(await reply.text(), /"Status": "OK"/)
    },
    [Symbol.asyncDispose]: () => program[Symbol.asyncDispose](),
  }
}

/** What a reader of the directory sees: names that begin with a dot or an underscore are work in progress. */
function idsIn(directory: string): number[] {
  return readdirSync(directory)
    .filter((name) => /^[^._].*json$/.test(name))
    .flatMap((name) => readFileSync(path.join(directory, name), 'utf8').trimEnd().split('\n'))
    .map((line) => Number((JSON.parse(line) as { id: string | number }).id))
    .sort((a, b) => a - b)
}
