import type { Consumer } from './consumer.ts'

/**
 * Closes a consumer at SIGINT or SIGTERM: handlers may end until the deadline (milliseconds), then it commits and leaves.
 * A second signal ends the process at once, as without this. Returns what takes it back.
 */
export function closeOnSignals(
  consumer: Pick<Consumer, 'close'>,
  options: { readonly deadlineMs?: number } = {},
): () => void {
  const signals = ['SIGINT', 'SIGTERM'] as const
  const stop = (): void => {
    takeBack()
    void consumer.close(options)
  }
  const takeBack = (): void => {
    for (const signal of signals) process.removeListener(signal, stop)
  }
  for (const signal of signals) process.once(signal, stop)
  return takeBack
}
