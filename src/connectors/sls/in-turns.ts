/** Questions that are open at the same time: a project takes many a second, but a logstore may have hundreds of shards. */
const OPEN_MAX = 16

/** Asks for every item, some at a time; the answers are in the order of the items. */
export async function inTurns<T, R>(items: readonly T[], ask: (item: T) => Promise<R>): Promise<R[]> {
  const answers: R[] = []
  let next = 0
  const work = async (): Promise<void> => {
    while (next < items.length) {
      const index = next++
      const item = items[index]
      if (item !== undefined) answers[index] = await ask(item)
    }
  }
  await Promise.all(Array.from({ length: Math.min(OPEN_MAX, items.length) }, work))
  return answers
}
