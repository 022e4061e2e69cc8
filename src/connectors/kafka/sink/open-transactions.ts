import {
  describeTransaction,
  endTransaction,
  fenceTransaction,
  findTransactions,
} from '../../../clients/kafka/index.ts'
import { IMPATIENT, openClient } from '../connect.ts'
import { idPrefix, parseId, sinkName } from './names.ts'
import type { KafkaSinkOptions } from './options.ts'

/** A transaction of a sink that Kafka holds open. */
export interface OpenTransaction {
  readonly transactionalId: string
  readonly state: string
  readonly epoch: number
  readonly lane: number
  readonly startedAtMs: number
  readonly timeoutMs: number
}

type Whose = { readonly job: string; readonly id: string }

/** What readers of committed records wait for, of one sink. */
export async function openTransactions(options: KafkaSinkOptions, whose: Whose): Promise<OpenTransaction[]> {
  await using client = openClient(options, IMPATIENT)
  const name = sinkName(options, whose)
  const open: OpenTransaction[] = []
  for (const { transactionalId } of await findTransactions(client, idPrefix(name), ['Ongoing'])) {
    const parts = parseId(name, transactionalId)
    const described = parts === undefined ? undefined : await describeTransaction(client, transactionalId)
    if (parts === undefined || described === undefined) continue
    const { state, startedAtMs, timeoutMs } = described
    open.push({ transactionalId, state, ...parts, startedAtMs: Number(startedAtMs), timeoutMs })
  }
  return open
}

/** Ends one of them: commits it as it is, or aborts it and keeps whoever began it from writing on. */
export async function endOpenTransaction(
  options: KafkaSinkOptions,
  transactionalId: string,
  commits: boolean,
): Promise<void> {
  await using client = openClient(options, IMPATIENT)
  if (!commits) return await fenceTransaction(client, transactionalId)
  const described = await describeTransaction(client, transactionalId)
  if (described !== undefined) await endTransaction(client, { ...described, transactionalId }, true)
}
