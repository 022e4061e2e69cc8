import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { HttpReply } from '../reply-parser.ts'
import type { ReplyContext } from '../reply-result.ts'
import { CONTEXT, inShort, replyOf } from '../testing/replies.ts'
import {
  classifyAbort,
  classifyCommit,
  classifyPrecommit,
  classifyState,
  type DorisTransactionState,
  resolveCommit,
} from './classify.ts'

type Case = readonly [situation: string, reply: object | string, outcome: string, httpStatus?: number]

const COUNTERS = { NumberTotalRows: 5, NumberLoadedRows: 5, NumberFilteredRows: 0, NumberUnselectedRows: 0 }
const LOADED = { TxnId: 18036, Label: 'L', TwoPhaseCommit: 'true', Status: 'Success', Message: 'OK', ...COUNTERS }
const USED =
  '[LABEL_ALREADY_EXISTS]TStatus: errCode = 2, detailMessage = Label [L] has already been used, relate to txn [19650]'

function fe(text: string): object {
  return { status: 'ANALYSIS_ERROR', msg: `TStatus: errCode = 2, detailMessage = ${text}` }
}

function table(
  operation: string,
  classify: (reply: HttpReply, context: ReplyContext) => object,
  cases: readonly Case[],
): void {
  for (const [situation, body, expected, httpStatus] of cases) {
    test(`${operation}: ${situation} is ${expected}`, () => {
      assert.equal(inShort(classify(replyOf(body, httpStatus), CONTEXT)), expected)
    })
  }
}

const UNUSABLE: readonly Case[] = [
  ['an empty body', '', 'unknown'],
  ['a truncated object', '{"status":"Success","msg":"transaction [18036] comm', 'unknown'],
  ['a page of a proxy', '<html></html>', 'unknown', 503],
  ['a bare success', { status: 'Success' }, 'unknown'],
  ['a success in other words', { status: 'Success', msg: 'welcome' }, 'unknown'],
]
const CREDENTIALS: readonly Case[] = [
  ['a wrong password', { msg: 'Unauthorized', code: 401, data: 'x' }, 'failed AUTH halt', 401],
  ['a wrong password with HTTP 200', { msg: 'Unauthorized', code: 401, data: 'x' }, 'failed AUTH halt'],
]

table('precommit', classifyPrecommit, [
  ...UNUSABLE,
  ...CREDENTIALS,
  ['Success', LOADED, 'precommitted'],
  ['Success without counters', { ...LOADED, NumberTotalRows: undefined }, 'unknown'],
  ['Success of another label', { ...LOADED, Label: 'M' }, 'unknown'],
  ['Success in one phase', { ...LOADED, TwoPhaseCommit: 'false' }, 'unknown'],
  ['Publish Timeout', { ...LOADED, Status: 'Publish Timeout' }, 'unknown'],
  [
    'a running label',
    { TxnId: -1, Label: 'L', Status: 'Label Already Exists', ExistingJobStatus: 'RUNNING', Message: USED },
    'label-exists running',
  ],
  [
    'a precommitted label',
    { TxnId: -1, Label: 'L', Status: 'Label Already Exists', ExistingJobStatus: 'PRECOMMITTED', Message: USED },
    'label-exists precommitted',
  ],
  [
    'a finished label',
    { TxnId: -1, Label: 'L', Status: 'Label Already Exists', ExistingJobStatus: 'FINISHED', Message: USED },
    'label-exists finished',
  ],
  [
    'a used label in the words of Fail',
    { TxnId: -1, Label: 'L', Status: 'Fail', Message: 'Label [L] has already been used.' },
    'label-exists unstated',
  ],
  [
    'filtered rows',
    { ...LOADED, Status: 'Fail', Message: '[DATA_QUALITY_ERROR]too many filtered rows', ErrorURL: 'http://be/x' },
    'failed POISON halt',
  ],
  [
    'the limit of running transactions',
    {
      ...LOADED,
      Status: 'Fail',
      Message: '[ANALYSIS_ERROR]current running txns on db 1 is 100, larger than limit 100',
    },
    'failed UNAVAILABLE restart',
  ],
  [
    'too many versions',
    { ...LOADED, Status: 'Fail', Message: '[INTERNAL_ERROR]err=-235' },
    'failed UNAVAILABLE restart',
  ],
  [
    'no credentials at the backend',
    { ...LOADED, Status: 'Fail', Message: '[NOT_AUTHORIZED]no valid Basic authorization' },
    'failed AUTH halt',
  ],
  [
    'a table that cannot',
    { ...LOADED, Status: 'Fail', Message: 'stream load 2pc is unsupported for mow table' },
    'failed PREFLIGHT halt',
  ],
  [
    'a server where it is off',
    { ...LOADED, Status: 'Fail', Message: 'Two phase commit (2PC) for stream load was disabled' },
    'failed PREFLIGHT halt',
  ],
  [
    'an unknown table',
    { ...LOADED, Status: 'Fail', Message: '[ANALYSIS_ERROR]unknown table, tableName=z' },
    'failed SCHEMA halt',
  ],
  ['a refusal of the FE', { status: 'FAILED', msg: 'There is no 100-continue header' }, 'failed CONFIG halt'],
  ['a denied privilege', { status: 'FAILED', msg: 'Access denied for user x' }, 'failed AUTH halt'],
])

table('commit', classifyCommit, [
  ...UNUSABLE,
  ...CREDENTIALS,
  ['success', { status: 'Success', msg: 'transaction [18036] commit successfully.' }, 'visible-pending'],
  ['already visible', fe('transaction [18036] is already visible, not pre-committed.'), 'already-committed'],
  ['already VISIBLE', fe('transaction [18036] is already VISIBLE, not pre-committed.'), 'already-committed'],
  ['already committed', fe('transaction [18036] is already committed, not pre-committed.'), 'visible-pending'],
  ['already COMMITTED', fe('transaction [18036] is already COMMITTED, not pre-committed.'), 'visible-pending'],
  ['aborted by somebody', fe('transaction [18036] is already aborted. abort reason: User Abort'), 'lost aborted'],
  ['expired', fe('transaction [18036] is already aborted. abort reason: timeout by txn manager'), 'lost expired'],
  ['still preparing', fe('transaction [18036] is prepare, not pre-committed.'), 'unknown'],
  ['not found', fe('transaction [18036] not found'), 'unknown'],
  ['a busy table', fe('get tableList write lock timeout, tableList=(clicks)'), 'retry'],
  ['a change of the leader', { status: 'INTERNAL_ERROR', msg: 'current fe is not master' }, 'retry'],
  ['a dropped table', fe('unknown table, tableId=7'), 'unknown'],
  [
    'the words of old servers',
    { status: 'Fail', msg: 'errCode = 2, detailMessage = transaction [1] is already visible, not pre-committed.' },
    'already-committed',
  ],
])

table('abort', classifyAbort, [
  ...UNUSABLE,
  ...CREDENTIALS,
  ['success', { status: 'Success', msg: 'transaction [18036] abort successfully.' }, 'rolled-back'],
  ['success by label', { status: 'Success', msg: 'label [L] abort successfully.' }, 'rolled-back'],
  ['already aborted', fe('transaction [18036] is already aborted, abort reason: User Abort'), 'already-rolled-back'],
  ['already ABORTED', fe('transaction [18036] is already ABORTED, abort reason: x'), 'already-rolled-back'],
  ['COMMITTED', fe('transaction [18036] is already COMMITTED, could not abort.'), 'committed'],
  ['VISIBLE', fe('transaction [18036] is already VISIBLE, could not abort.'), 'committed'],
  ['visible', fe('transaction [18036] is already visible, could not abort.'), 'committed'],
  ['not found', fe('transaction [18036] not found'), 'not-found'],
  ['a busy table', fe('get tableList write lock timeout, tableList=(clicks)'), 'busy'],
  ['words nobody knows', fe('something else'), 'unknown'],
])

table('state', classifyState, [
  ['an empty body', '', 'unknown'],
  ['VISIBLE', { msg: 'success', code: 0, data: 'VISIBLE', count: 0 }, 'state'],
  ['a state nobody knows', { msg: 'success', code: 0, data: 'GLORIOUS', count: 0 }, 'unknown'],
  ['a text without a code', { msg: 'success', data: 'VISIBLE' }, 'unknown'],
  [
    'an unknown database',
    { msg: 'unknown database, database=demo', code: 1, data: null, count: 0 },
    'failed SCHEMA halt',
  ],
  ['a wrong password', { msg: 'Unauthorized', code: 401 }, 'failed AUTH halt', 401],
  ['a broken FE', { msg: 'success', code: 0, data: 'VISIBLE' }, 'unknown', 500],
])

test('every state says one thing about a commit', () => {
  const meaning: Readonly<Record<DorisTransactionState, string>> = {
    UNKNOWN: 'unknown',
    PREPARE: 'unknown',
    PRECOMMITTED: 'retry',
    COMMITTED: 'visible-pending',
    VISIBLE: 'already-committed',
    ABORTED: 'lost aborted',
  }
  for (const [data, commit] of Object.entries(meaning)) {
    const found = classifyState(replyOf({ msg: 'success', code: 0, data, count: 0 }), CONTEXT)
    assert.equal(inShort(resolveCommit(found)), commit, data)
  }
})

test('the transaction that owns a used label is read from the message, and only there', () => {
  const reply = {
    TxnId: -1,
    Label: 'L',
    Status: 'Label Already Exists',
    ExistingJobStatus: 'PRECOMMITTED',
    Message: USED,
  }
  const expected = { kind: 'label-exists', existing: 'precommitted', txnId: 19650n }
  assert.deepEqual(classifyPrecommit(replyOf(reply), CONTEXT), expected)
  const older = { ...reply, Message: 'Label [L] has already been used.' }
  assert.deepEqual(classifyPrecommit(replyOf(older), CONTEXT), { kind: 'label-exists', existing: 'precommitted' })
})

test('a sample of the rejected row stays out of the error', () => {
  const message = '[DATA_QUALITY_ERROR]too many filtered rows, first error: value canary is out of range'
  const outcome = classifyPrecommit(replyOf({ ...LOADED, Status: 'Fail', Message: message }), CONTEXT)
  assert.ok(outcome.kind === 'failed')
  assert.ok(!JSON.stringify([outcome.error.message, outcome.error.detail]).includes('canary'))
})
