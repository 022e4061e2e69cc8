import type { Consumer } from './consumer.ts'

/** A consumer with its handler already given: `() => consumer.each(handler)`. */
export interface RunningConsumer {
  readonly consumer: Pick<Consumer, 'close'>
  run(): Promise<void>
}

/**
 * Runs several consumers, for example one for each topic, until all have ended. The first error, and the signal, close all
 * of them in order; the first error goes out.
 */
export async function runTogether(consumers: readonly RunningConsumer[], signal?: AbortSignal): Promise<void> {
  const closeAll = (): void => {
    for (const { consumer } of consumers) void consumer.close()
  }
  signal?.addEventListener('abort', closeAll, { once: true })
  let failure: { readonly error: unknown } | undefined
  const runs = consumers.map(async ({ run }) => {
    try {
      await run()
    } catch (error) {
      failure ??= { error }
      closeAll()
    }
  })
  if (signal?.aborted === true) closeAll()
  await Promise.all(runs)
  signal?.removeEventListener('abort', closeAll)
  if (failure !== undefined) throw failure.error
}
