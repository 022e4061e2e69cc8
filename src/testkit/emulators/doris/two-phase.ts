import type { IncomingHttpHeaders } from 'node:http'
import type { Cluster } from '../cluster.ts'
import type { Exchange, Reply } from '../http-server.ts'
import { header } from '../load-plan.ts'
import type { Transaction } from '../transaction-table.ts'
import { twoPhaseReply } from './replies.ts'

/** The transaction that a 2PC request names, by id before label. */
export function transactionOf(
  cluster: Cluster,
  database: string,
  headers: IncomingHttpHeaders,
): Transaction | undefined {
  const id = header(headers, 'txn_id')
  if (id !== undefined) return cluster.transactions.byId(Number(id))
  return cluster.transactions.newest(database, header(headers, 'label') ?? '')
}

/**
 * `PUT /api/{db}/_stream_load_2pc` at any backend. The state is the frontend's, so nothing is sticky. Texts: commit
 * prints states in lower case, abort as enum names (fe DatabaseTransactionMgr.java).
 */
export function twoPhaseCommit(cluster: Cluster, exchange: Exchange, database: string): Reply {
  const { headers } = exchange
  const check = cluster.checkCredentials(exchange)
  if (check === 'missing') return twoPhaseReply('NOT_AUTHORIZED', 'no valid Basic authorization')
  if (check === 'wrong') return business('Access denied for the user of this request')
  const operation = header(headers, 'txn_operation')?.toLowerCase()
  const idText = header(headers, 'txn_id')
  const label = header(headers, 'label')
  if (idText !== undefined && !/^\d+$/.test(idText)) {
    return twoPhaseReply('INVALID_ARGUMENT', `convert txn_id [${idText}] failed`)
  }
  if (operation !== 'commit' && operation !== 'abort') {
    return twoPhaseReply('INVALID_ARGUMENT', "transaction operation should be 'commit' or 'abort'")
  }
  if (!cluster.hasDatabase(database)) return business(`unknown database, database=${database}`)
  const transaction = transactionOf(cluster, database, headers)
  if (idText === undefined) {
    const isEligible = transaction?.state === 'PREPARED' || (operation === 'abort' && transaction?.state === 'PREPARE')
    if (transaction === undefined || !isEligible) return business(`transaction [label=${label ?? ''}] not found`)
  }
  if (transaction === undefined || transaction.database !== database) {
    return business(`transaction [${idText ?? ''}] not found`)
  }
  const name = idText === undefined ? `transaction [label=${transaction.label}]` : `transaction [${transaction.id}]`
  const refusal = operation === 'commit' ? commit(cluster, transaction) : abort(cluster, transaction)
  return refusal === undefined ? twoPhaseReply('Success', `${name} ${operation} successfully.`) : business(refusal)
}

function commit(cluster: Cluster, transaction: Transaction): string | undefined {
  const { id, state, reason = '' } = transaction
  switch (state) {
    case 'PREPARED':
      cluster.transactions.commit(transaction)
      return undefined
    case 'PREPARE':
      return `transaction [${id}] is prepare, not pre-committed.`
    case 'COMMITTED':
      return `transaction [${id}] is already committed, not pre-committed.`
    case 'VISIBLE':
      return `transaction [${id}] is already visible, not pre-committed.`
    case 'ABORTED':
      return `transaction [${id}] is already aborted. abort reason: ${reason}`
  }
}

function abort(cluster: Cluster, transaction: Transaction): string | undefined {
  const { id, state, reason = '' } = transaction
  if (state === 'ABORTED') return `transaction [${id}] is already aborted, abort reason: ${reason}`
  if (state === 'COMMITTED' || state === 'VISIBLE') return `transaction [${id}] is already ${state}, could not abort.`
  cluster.transactions.abort(transaction, 'User Abort')
  return undefined
}

function business(message: string): Reply {
  return twoPhaseReply('ANALYSIS_ERROR', `TStatus: errCode = 2, detailMessage = ${message}`)
}
