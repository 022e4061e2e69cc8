import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { assert } from '../../core/assert.ts'
import { bytesBatch } from '../bytes-batch.ts'
import { testCoordinatorContext, testLaneContext } from '../lane-context.ts'
import { sinkSuite, type OpenedSink } from '../sink-suite.ts'
import { connector, visibleRows } from './two-phase-sink.ts'

async function open(): Promise<OpenedSink> {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-model-'))
  const sink = await connector.sink?.create({ directory })
  assert(sink !== undefined, 'the model is a sink')
  return {
    coordinator: () => sink.coordinator(testCoordinatorContext({ lanes: 2 })),
    writer: (lane) => sink.writer(testLaneContext({ lane, lanes: 2 })),
    batch: (from, to) => bytesBatch(Array.from({ length: to - from }, (_, at) => `{"split":"s","seq":${from + at}}`)),
    visible: async () =>
      visibleRows(directory)
        .map((row) => row.seq)
        .sort((a, b) => a - b),
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
  }
}

sinkSuite('the model sink', open)
