/** Servers that lose, garble and refuse requests, restart and change their leader: nothing is lost, nothing doubled. */
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { FaultRule } from '../../src/testkit/emulators/faults.ts'
import type { Emulator } from '../../src/testkit/emulators/options.ts'
import { FollowedJob } from './faults-kit/followed-job.ts'
import { isConfirmed, isRewinding } from './faults-kit/job-home.ts'
import { EVENTS, sinkOf, startWarehouse } from './faults-kit/warehouse.ts'

/** One request at a time goes wrong; before a rollback the answer of a prepare. */
interface Trouble {
  readonly name: string
  readonly rules: readonly FaultRule[]
}

const ACTIONS: readonly Pick<FaultRule, 'action' | 'status' | 'body'>[] = [
  { action: 'drop-request' },
  { action: 'drop-reply' },
  { action: 'garble' },
  { action: 'status', status: 503, body: 'busy' },
]

function troublesOf(operations: readonly NonNullable<FaultRule['match']['operation']>[]): Trouble[] {
  return operations.flatMap((operation) =>
    ACTIONS.map((action) => ({
      name: `${operation} ${action.action}`,
      rules: [{ match: { operation, server: 'backend' as const }, ...action }],
    })),
  )
}

const busy = { action: 'status', status: 429, body: 'too many requests' } as const

const TROUBLES: Readonly<Record<'starrocks' | 'doris', readonly Trouble[]>> = {
  starrocks: [
    ...troublesOf(['begin', 'load', 'prepare', 'commit']),
    ...(['drop-reply', 'garble'] as const).map((action) => ({
      name: `rollback ${action}`,
      rules: [
        { match: { operation: 'prepare' as const, server: 'backend' as const }, action: 'garble' as const },
        { match: { operation: 'rollback' as const }, action },
      ],
    })),
    { name: 'a storm of 429', rules: [{ match: { times: 3 }, ...busy }] },
    {
      name: 'the frontend restarts before prepare',
      rules: [{ match: { operation: 'prepare' }, action: 'restart-frontend' }],
    },
    {
      name: 'the frontend restarts after commit',
      rules: [{ match: { operation: 'commit' }, action: 'restart-frontend', when: 'after' }],
    },
  ],
  doris: [
    ...troublesOf(['streamLoad', 'twoPhaseCommit']),
    { name: 'a storm of 429', rules: [{ match: { times: 3 }, ...busy }] },
    {
      name: 'the frontend restarts after commit',
      rules: [{ match: { operation: 'twoPhaseCommit' }, action: 'restart-frontend', when: 'after' }],
    },
  ],
}

/** What happens to servers, not to requests. */
const HAPPENINGS: readonly { readonly name: string; readonly act: (server: Emulator) => Promise<void> | void }[] = [
  { name: 'the leader changes', act: (server) => server.switchLeader() },
  { name: 'a backend restarts', act: (server) => server.restartBackend(0) },
  {
    name: 'a backend dies and comes back',
    act: async (server) => {
      await server.killBackend(1)
      await server.restartBackend(1)
    },
  },
]

suite('server faults', { concurrency: 2 }, () => {
  for (const kind of ['starrocks', 'doris'] as const) {
    test(`${kind}: every request may be lost, its answer lost or garbled`, { timeout: 360_000 }, async (t) => {
      await using server = await startWarehouse(kind, { followerFrontends: 1 })
      await using followed = await FollowedJob.create(kind, server)
      await using job = followed.home.run()
      followed.append(10)
      await job.event(isConfirmed)
      for (const { name, rules } of TROUBLES[kind]) {
        const from = Date.now()
        const ids = rules.map((rule) => server.addFault(rule))
        followed.append(10)
        await followed.untilVisible(job)
        for (const id of ids) server.removeFault(id)
        t.diagnostic(`${name}: ${Date.now() - from} ms`)
      }
      for (const { name, act } of HAPPENINGS) {
        const from = Date.now()
        followed.append(10)
        await act(server)
        await followed.untilVisible(job)
        t.diagnostic(`${name}: ${Date.now() - from} ms`)
      }
      await followed.stop(job)
    })
  }

  test(
    'what a healthy sink prepared is taken back while the other one is in trouble',
    { timeout: 240_000 },
    async () => {
      const copies = { ...EVENTS, table: 'copies' }
      await using server = await startWarehouse('starrocks', { tables: [EVENTS, copies] })
      const sink = sinkOf('starrocks', server)
      await using followed = await FollowedJob.create('starrocks', server, {
        sinks: `well: {from: in, ${sink}}, ill: {from: in, ${sink.replace('table: events', 'table: copies')}}`,
      })
      await using job = followed.home.run()
      followed.append(10)
      await job.event(isConfirmed)
      const id = server.addFault({
        match: { operation: 'prepare', server: 'backend', label: '_ill_', times: 3 },
        action: 'garble',
      })
      followed.append(10)
      await followed.untilVisible(job)
      server.removeFault(id)
      assert.equal(job.events().filter(isRewinding).length, 3)
      await followed.stop(job)
      assert.equal(server.rowCount('demo', 'copies'), 20)
    },
  )
})
