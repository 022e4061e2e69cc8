/** Every failpoint at every position with every sink; a usual run plays a sample of them, in the kill campaign. */
import { test } from 'node:test'
import { SINK_KINDS } from './kit/cells.ts'
import { killAtEveryCell } from './kit/every-cell.ts'
import { Broker } from './kit/topic.ts'

for (const sink of SINK_KINDS) {
  test(`a job from Kafka to ${sink} loses and doubles nothing, wherever it is killed`, async (t) => {
    await using broker = await Broker.open()
    await killAtEveryCell(t, broker, sink)
  })
}
