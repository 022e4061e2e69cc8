import { bytesBatch } from '../../testkit/bytes-batch.ts'
import { forgetfulSinkSuite } from '../../testkit/sink-suite.ts'
import { BlackholeSink } from './sink.ts'

const sink = new BlackholeSink()

forgetfulSinkSuite('blackhole', async () => ({
  coordinator: () => sink.coordinator(),
  writer: () => sink.writer(),
  batch: (from, to) => bytesBatch(Array.from({ length: to - from }, (_, at) => `${from + at}`)),
  [Symbol.asyncDispose]: async () => undefined,
}))
