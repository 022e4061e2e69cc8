import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { HttpReply } from '../reply-parser.ts'
import type { ReplyContext } from '../reply-result.ts'
import { CONTEXT, feFailure, inShort, replyOf } from '../testing/replies.ts'
import {
  classifyBegin,
  classifyCancel,
  classifyCommit,
  classifyLoad,
  classifyPrepare,
  classifyRollback,
  classifyState,
  resolveCommit,
  resolvePrepare,
  type StateOutcome,
  type TransactionState,
} from './classify.ts'

type Case = readonly [situation: string, reply: object | string, outcome: string, httpStatus?: number | undefined]

const COUNTERS = { NumberTotalRows: 5, NumberLoadedRows: 5, NumberFilteredRows: 0, NumberUnselectedRows: 0 }
const OK = { Status: 'OK', Message: '', Label: 'L', TxnId: 9032 }
const BUSY = { Status: 'TXN_IN_PROCESSING', Label: 'L', Message: 'Transaction in processing, please retry later' }
const GONE = { Status: 'TXN_NOT_EXISTS', Message: 'transaction with label L not exists' }

/** Replies that prove nothing, whatever was asked. */
const UNUSABLE: readonly Case[] = [
  ['an empty body', '', 'unknown'],
  ['a truncated object', '{"Status":"OK","Message":"","Label":"L","TxnId":90', 'unknown'],
  ['an array', '[]', 'unknown'],
  ['a page of a proxy', '<html>Bad gateway</html>', 'unknown', 502],
  ['a page with HTTP 200', '<html>Welcome</html>', 'unknown'],
  ['a bare OK', { Status: 'OK' }, 'unknown'],
  ['a status that is no text', { Status: 1, Message: '' }, 'unknown'],
  ['another label', { ...OK, ...COUNTERS, LoadBytes: 1, Label: 'M' }, 'unknown'],
  ['an unexpected exception of the FE', { status: 'FAILED', msg: 'java.lang.NullPointerException' }, 'unknown', 500],
]
const CREDENTIALS: readonly Case[] = [
  ['a wrong password', { status: 'FAILED', msg: 'Access denied for tester' }, 'failed AUTH halt', 401],
  ['a 403', '', 'failed AUTH halt', 403],
  [
    'a missing privilege',
    feFailure('Access denied; you need (at least one of) the INSERT privilege(s)'),
    'failed AUTH halt',
  ],
]

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

table('begin', (reply, context) => classifyBegin(reply, { ...context, holdsData: false }), [
  ...UNUSABLE,
  ...CREDENTIALS,
  ['OK', { ...OK, BeginTxnTimeMs: 0 }, 'begun'],
  ['OK in lower case keys', { status: 'OK', message: '', label: 'L', txnid: 9032 }, 'begun'],
  ['OK without an id', { Status: 'OK', Message: '', Label: 'L' }, 'unknown'],
  [
    'a label in use, from the FE',
    { Status: 'LABEL_ALREADY_EXISTS', ExistingJobStatus: 'RUNNING', Message: 'Label [L] has already been used.' },
    'label-exists running',
  ],
  [
    'a finished label',
    { Status: 'LABEL_ALREADY_EXISTS', ExistingJobStatus: 'FINISHED', Message: 'x' },
    'label-exists finished',
  ],
  [
    'a label in use, from its backend',
    { Status: 'LABEL_ALREADY_EXISTS', ExistingJobStatus: '', Message: '' },
    'label-exists unstated',
  ],
  [
    'the limit of running transactions',
    { Status: 'ANALYSIS_ERROR', Message: 'current running txns on db 10 is 1000, larger than limit 1000' },
    'failed UNAVAILABLE retry',
  ],
  [
    'safe mode',
    { Status: 'ANALYSIS_ERROR', Message: 'The cluster is under safe mode state, all load jobs are rejected.' },
    'failed UNAVAILABLE retry',
  ],
  [
    'a full database',
    { Status: 'ANALYSIS_ERROR', Message: 'Database[x] data size exceeds quota[1 GB]' },
    'failed UNAVAILABLE retry',
  ],
  ['a bad timeout', { Status: 'INVALID_ARGUMENT', Message: 'Invalid timeout format' }, 'failed CONFIG halt'],
  ['an unknown table', { Status: 'ANALYSIS_ERROR', Message: 'unknown table clicks' }, 'failed SCHEMA halt'],
  ['an unknown database', feFailure('Database[demo] does not exist.'), 'failed SCHEMA halt'],
  ['a server without transactions', { status: 'FAILED', msg: 'Not implemented' }, 'failed PREFLIGHT halt', 404],
  ['a server without transactions that says 200', { status: 'FAILED', msg: 'Not implemented' }, 'failed CONFIG halt'],
  ['an FE out of the backend’s reach', { Status: 'THRIFT_RPC_ERROR', Message: 'rpc failed' }, 'unknown'],
  [
    'no usable credentials at the backend',
    { Status: 'INTERNAL_ERROR', Message: 'no valid Basic authorization' },
    'failed AUTH halt',
  ],
])

table('load', classifyLoad, [
  ...UNUSABLE,
  ...CREDENTIALS,
  ['OK', { ...OK, LoadBytes: 120, ReceivedDataTimeMs: 0 }, 'loaded'],
  ['OK without bytes', OK, 'unknown'],
  ['another request in progress', BUSY, 'busy'],
  [
    'a transaction that is gone',
    { ...GONE, Message: 'Transaction with label L not exists' },
    'failed UNAVAILABLE restart',
  ],
  [
    'a transaction that failed before',
    { Status: 'ABORTED', Message: 'current transaction is aborted' },
    'failed UNAVAILABLE restart',
  ],
  ['changed headers', { Status: 'INTERNAL_ERROR', Message: 'load request not equal last.' }, 'failed CONFIG halt'],
  [
    'a format it does not know',
    { Status: 'INTERNAL_ERROR', Message: 'unknown data format, format=X' },
    'failed CONFIG halt',
  ],
  ['an unknown column', { Status: 'ANALYSIS_ERROR', Message: "Unknown column 'z' in 'clicks'" }, 'failed SCHEMA halt'],
  ['memory', { Status: 'MEM_LIMIT_EXCEEDED', Message: 'Memory of process exceed limit' }, 'failed UNAVAILABLE restart'],
  [
    'a backend that stops',
    { Status: 'INTERNAL_ERROR', Message: 'Service is shutting down, please retry later!' },
    'failed UNAVAILABLE restart',
  ],
  [
    'filtered rows of an earlier load',
    { Status: 'INTERNAL_ERROR', Message: 'too many filtered rows', ErrorURL: 'http://be/x' },
    'failed POISON halt',
  ],
])

table('prepare', classifyPrepare, [
  ...UNUSABLE,
  ...CREDENTIALS,
  ['OK', { ...OK, ...COUNTERS }, 'prepared'],
  ['OK with three of four counters', { ...OK, ...COUNTERS, NumberFilteredRows: undefined }, 'ask-state'],
  ['OK with a negative counter', { ...OK, ...COUNTERS, NumberLoadedRows: -1 }, 'ask-state'],
  ['another request in progress', BUSY, 'busy'],
  ['a second prepare', GONE, 'ask-state'],
  [
    'a forgotten coordinator',
    feFailure("Can't find the transaction with db [1] and label[L]. The possible reasons: 1. FE leader is started"),
    'ask-state',
  ],
  ['an FE out of reach', { Status: 'SERVICE_UNAVAILABLE', Message: 'Commit transaction fail cause x' }, 'ask-state'],
  ['a time limit', { Status: 'TIMEOUT', Message: 'x' }, 'ask-state'],
  [
    'filtered rows',
    { Status: 'INTERNAL_ERROR', Message: 'too many filtered rows', ErrorURL: 'http://be/x' },
    'failed POISON halt',
  ],
  [
    'no data',
    { Status: 'INTERNAL_ERROR', Message: "transaction id=1 hasn't send any data yet" },
    'failed UNAVAILABLE restart',
  ],
  ['a bad limit', { Status: 'INVALID_ARGUMENT', Message: 'Invalid prepared_timeout: x' }, 'failed CONFIG halt'],
  [
    'too many versions',
    { Status: 'INTERNAL_ERROR', Message: 'Failed to load data into tablet 1, because of too many versions' },
    'failed UNAVAILABLE restart',
  ],
])

table('commit', classifyCommit, [
  ...UNUSABLE,
  ...CREDENTIALS,
  ['OK from the FE', OK, 'committed'],
  ['OK with counters from a backend', { ...OK, ...COUNTERS }, 'committed'],
  ['OK without an id', { Status: 'OK', Message: '', Label: 'L' }, 'unknown'],
  ['a repetition', { ...OK, Message: 'Transaction 9032 has already committed, label is L' }, 'already-committed'],
  [
    'a repetition after eviction',
    { Status: 'OK', Message: 'Transaction has already committed, label is L' },
    'already-committed',
  ],
  ['a slow publish, from the FE', feFailure('publish timeout: 20000'), 'visible-pending'],
  ['a slow publish, from a backend', { Status: 'PUBLISH_TIMEOUT', Message: '' }, 'visible-pending'],
  ['an aborted transaction', feFailure('Can not commit ABORTED transaction 9032, label is L'), 'lost aborted'],
  [
    'an expired transaction',
    feFailure('Can not commit ABORTED transaction 9032, label is L, reason: timeout by txn manager'),
    'lost expired',
  ],
  ['a busy database', feFailure('get database write lock timeout, database=demo, timeoutMillis=20000'), 'retry'],
  ['a concurrent commit', feFailure('Transaction 9032 is already committing, label is L'), 'retry'],
  ['another request in progress', BUSY, 'retry'],
  ['an unknown label', feFailure('No transaction found by label L'), 'unknown'],
  ['an unknown label in the database', feFailure('No transaction found with db[demo] and label[L]'), 'unknown'],
  ['a backend without the transaction', GONE, 'unknown'],
  ['a failed context of a backend', { Status: 'ABORTED', Message: 'transaction is aborted' }, 'unknown'],
  [
    'a lost FE',
    { Status: 'SERVICE_UNAVAILABLE', Message: 'Commit transaction fail cause x, Transaction status unknown' },
    'unknown',
  ],
  ['words nobody knows', feFailure('something else'), 'unknown'],
  ['a dropped table', feFailure('Table clicks does not exist.'), 'unknown'],
  ['a status nobody knows', { Status: 'CORRUPTION', Message: 'x' }, 'unknown'],
])

table('rollback', classifyRollback, [
  ...UNUSABLE.filter(([situation]) => situation !== 'a bare OK'),
  ...CREDENTIALS,
  ['OK', { Status: 'OK', Message: '', Label: 'L' }, 'rolled-back'],
  ['a repetition', { ...OK, Message: 'Transaction 9032 has already aborted, label is L' }, 'already-rolled-back'],
  ['a visible transaction', feFailure('Can not abort VISIBLE transaction 9032, label is L'), 'committed'],
  ['a committed transaction', feFailure('Can not abort COMMITTED transaction 9032, label is L'), 'committed'],
  ['an unknown label', feFailure('No transaction found by label L'), 'not-found'],
  ['a backend without the transaction', GONE, 'not-found'],
  ['another request in progress', BUSY, 'busy'],
  ['a busy database', feFailure('get database write lock timeout, database=demo, timeoutMillis=20000'), 'busy'],
  ['words nobody knows', feFailure('something else'), 'unknown'],
])

table('state', classifyState, [
  ...UNUSABLE.filter(([situation]) => situation !== 'another label'),
  ...CREDENTIALS,
  ['VISIBLE', { status: 'OK', msg: 'Success', state: 'VISIBLE' }, 'state'],
  ['a state nobody knows', { status: 'OK', msg: 'Success', state: 'GLORIOUS' }, 'unknown'],
  ['no state', { status: 'OK', msg: 'Success' }, 'unknown'],
  ['an unknown database', { status: 'FAILED', msg: 'unknown database, database=demo' }, 'failed SCHEMA halt'],
])

table('cancel', classifyCancel, [
  ['OK', { status: 'OK', msg: 'Success' }, 'cancelled'],
  ['a prepared transaction', { status: 'FAILED', msg: 'running transaction not found, label=L' }, 'not-running'],
  ['a wrong password', { status: 'FAILED', msg: 'Access denied' }, 'failed AUTH halt', 401],
])

test('every state says one thing about a commit and one about a prepare', () => {
  const meaning: Readonly<Record<TransactionState, readonly [commit: string, prepare: string]>> = {
    UNKNOWN: ['unknown', 'failed UNAVAILABLE restart'],
    PREPARE: ['unknown', 'busy'],
    PREPARED: ['retry', 'prepared-uncounted'],
    COMMITTED: ['visible-pending', 'unknown'],
    VISIBLE: ['already-committed', 'unknown'],
    ABORTED: ['lost aborted', 'failed UNAVAILABLE restart'],
  }
  for (const [state, [commit, prepare]] of Object.entries(meaning)) {
    const found = classifyState(replyOf({ status: 'OK', msg: 'Success', state }), CONTEXT)
    assert.equal(inShort(resolveCommit(found)), commit, state)
    assert.equal(inShort(resolvePrepare(found, CONTEXT)), prepare, state)
  }
  const expired: StateOutcome = {
    kind: 'state',
    state: 'ABORTED',
    reason: 'transaction is aborted by timeout 600 seconds.',
  }
  assert.equal(inShort(resolveCommit(expired)), 'lost expired')
})

test('a prepare returns its counters and exact ids beyond 2^53', () => {
  const body = `{"Status":"OK","Message":"","Label":"L","TxnId":9007199254740993,"NumberTotalRows":5,"NumberLoadedRows":3,"NumberFilteredRows":1,"NumberUnselectedRows":1}`
  assert.deepEqual(classifyPrepare(replyOf(body), CONTEXT), {
    kind: 'prepared',
    txnId: 9007199254740993n,
    counts: { total: 5, loaded: 3, filtered: 1, unselected: 1 },
  })
})

test('the place of the rejected rows is told as text', () => {
  const url = 'http://be:8040/api/_load_error_log?file=error_log_a_b'
  const outcome = classifyPrepare(
    replyOf({ Status: 'INTERNAL_ERROR', Message: 'too many filtered rows', ErrorURL: url }),
    CONTEXT,
  )
  assert.ok(outcome.kind === 'failed')
  assert.equal(outcome.error.detail['errorUrl'], url)
  assert.ok(outcome.error.message.includes(url))
})
