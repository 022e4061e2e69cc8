import { randomUUID } from 'node:crypto'
import { bytesBatch } from '../../testkit/bytes-batch.ts'
import { startStarRocksEmulator } from '../../testkit/emulators/starrocks/index.ts'
import { testCoordinatorContext, testLaneContext } from '../../testkit/lane-context.ts'
import { sinkSuite, type OpenedSink } from '../../testkit/sink-suite.ts'
import { starrocksSinkOptions } from './options.ts'
import { StarRocksSink } from './sink.ts'

async function open(): Promise<OpenedSink> {
  const columns = [{ name: 'id', type: 'BIGINT' }]
  const server = await startStarRocksEmulator({
    password: 'canary',
    tables: [{ database: 'shop', table: 'events', columns, model: 'duplicate' }],
  })
  const { urls: url, backends } = server
  const options = { url, backends, database: 'shop', table: 'events', password: 'canary', writers: 2 }
  const sink = new StarRocksSink(starrocksSinkOptions.parse(options))
  const names = { job: randomUUID(), id: 'out' }
  return {
    coordinator: () => sink.coordinator(testCoordinatorContext({ ...names, lanes: 2 })),
    writer: (lane) => sink.writer(testLaneContext({ ...names, lane, lanes: 2 })),
    batch: (from, to) =>
      bytesBatch(
        Array.from({ length: to - from }, (_, at) => `{"id":${from + at}}`),
        { separator: 0x2c },
      ),
    visible: async () =>
      server
        .rows('shop', 'events')
        .map((row) => Number(row['id']))
        .sort((a, b) => a - b),
    [Symbol.asyncDispose]: () => server.close(),
  }
}

sinkSuite('StarRocks', open)
