import { randomUUID } from 'node:crypto'
import { bytesBatch } from '../../testkit/bytes-batch.ts'
import { testCoordinatorContext, testLaneContext } from '../../testkit/lane-context.ts'
import { emulatedTarget, realServer, realTarget, type LoadTarget } from '../../testkit/load-target.ts'
import { sinkSuite, type OpenedSink } from '../../testkit/sink-suite.ts'
import { dorisSinkOptions } from './options.ts'
import { DorisSink } from './sink.ts'

async function open(opening: Promise<LoadTarget>): Promise<OpenedSink> {
  const { ids, [Symbol.asyncDispose]: dispose, ...target } = await opening
  const sink = new DorisSink(dorisSinkOptions.parse({ ...target, writers: 2 }))
  const names = { job: randomUUID(), id: 'out' }
  return {
    coordinator: () => sink.coordinator(testCoordinatorContext({ ...names, lanes: 2 })),
    writer: (lane) => sink.writer(testLaneContext({ ...names, lane, lanes: 2 })),
    batch: (from, to) => bytesBatch(Array.from({ length: to - from }, (_, at) => `{"id":${from + at}}`)),
    visible: ids,
    [Symbol.asyncDispose]: dispose,
  }
}

sinkSuite('Doris', () => open(emulatedTarget('doris')))

const address = realServer('doris')
if (address !== undefined) sinkSuite('Doris, the real server', () => open(realTarget('doris', address)))
