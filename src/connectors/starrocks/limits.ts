import type { CheckpointTimes } from '../../core/context.ts'
import { openTransactionMs, preparedMs } from '../../core/preflight-rules.ts'

/** Limits that the server sets on a transaction, in seconds. */
const TIMEOUT_MAX_S = 259_200

/** How long a transaction may take from its first row to prepare, and from there to its commit, in seconds. */
export function limitsOf(times: CheckpointTimes): { readonly openTimeoutS: number; readonly preparedTimeoutS: number } {
  return { openTimeoutS: seconds(openTransactionMs(times)), preparedTimeoutS: seconds(preparedMs(times)) }
}

function seconds(ms: number): number {
  return Math.min(TIMEOUT_MAX_S, Math.ceil(ms / 1000))
}
