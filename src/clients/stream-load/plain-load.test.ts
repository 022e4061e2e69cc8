import assert from 'node:assert/strict'
import { test } from 'node:test'
import { classifyPlainLoad, PlainLoads } from './plain-load.ts'
import { CONTEXT, inShort, replyOf } from './testing/replies.ts'
import { endpointOf, ScriptedServer } from './testing/scripted-server.ts'

const COUNTERS = { NumberTotalRows: 5, NumberLoadedRows: 5, NumberFilteredRows: 0, NumberUnselectedRows: 0 }
const LOADED = { TxnId: 7, Label: 'L', Status: 'Success', Message: 'OK', ...COUNTERS }
const USED = {
  TxnId: -1,
  Label: 'L',
  Status: 'Label Already Exists',
  ExistingJobStatus: 'RUNNING',
  Message: 'Label [L] has already been used.',
}
const AT = { database: 'demo', table: 't', label: 'L', headers: [] }

test('every status of a plain load has one meaning', () => {
  const cases: readonly (readonly [reply: object | string, outcome: string])[] = [
    [LOADED, 'loaded'],
    [{ ...LOADED, Status: 'Publish Timeout' }, 'loaded'],
    [{ ...LOADED, NumberLoadedRows: undefined }, 'unknown'],
    [{ ...LOADED, Label: 'M' }, 'unknown'],
    [USED, 'label-running'],
    [{ ...USED, ExistingJobStatus: 'FINISHED' }, 'loaded-before'],
    [{ ...USED, ExistingJobStatus: 'PRECOMMITTED' }, 'label-running'],
    [{ ...LOADED, Status: 'Fail', Message: 'too many filtered rows' }, 'failed POISON halt'],
    [
      { ...LOADED, Status: 'Fail', Message: 'Stream Load exceed http cuncurrent limit 5, please try again later' },
      'failed UNAVAILABLE restart',
    ],
    [{ ...LOADED, Status: 'Fail', Message: 'no valid Basic authorization' }, 'failed AUTH halt'],
    [
      { Status: 'FAILED', Message: 'class com.starrocks.common.DdlException: There is no 100-continue header' },
      'failed CONFIG halt',
    ],
    ['{"TxnId": 7, "Label": "L", "Sta', 'unknown'],
  ]
  for (const [reply, expected] of cases) assert.equal(inShort(classifyPlainLoad(replyOf(reply), CONTEXT)), expected)
  assert.equal('isVisible' in classifyPlainLoad(replyOf({ ...LOADED, Status: 'Publish Timeout' }), CONTEXT), true)
})

test('a label in use is waited for, and its end is taken for ours', async () => {
  const ends = {
    VISIBLE: 'loaded-before',
    COMMITTED: 'loaded-before',
    ABORTED: 'failed UNAVAILABLE retry',
    PREPARE: 'unknown',
  }
  for (const [end, expected] of Object.entries(ends)) {
    for (const system of ['starrocks', 'doris'] as const) {
      let asked = 0
      await using fe = await ScriptedServer.start((visit) => {
        if (visit.path.endsWith('_stream_load')) return visit.reply(USED, 200, { Connection: 'close' })
        const state = asked++ < 2 ? 'PREPARE' : end
        visit.reply(
          system === 'starrocks'
            ? { status: 'OK', msg: 'Success', state }
            : { msg: 'success', code: 0, data: state, count: 0 },
        )
      })
      await using loads = new PlainLoads(system, endpointOf([fe]), { pause: async () => undefined, runningMs: 1_000 })
      const load = await loads.load(AT)
      assert.equal(inShort(await load.end()), expected, `${system} ${end}`)
    }
  }
})
