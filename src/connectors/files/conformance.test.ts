import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bytesBatch } from '../../testkit/bytes-batch.ts'
import { testCoordinatorContext, testLaneContext } from '../../testkit/lane-context.ts'
import { sinkSuite, type OpenedSink } from '../../testkit/sink-suite.ts'
import { filesSinkOptions } from './options.ts'
import { FilesSink } from './sink.ts'

async function open(): Promise<OpenedSink> {
  const baseDirectory = await mkdtemp(join(tmpdir(), 'millrace-files-'))
  const out = join(baseDirectory, 'out')
  const sink = new FilesSink(filesSinkOptions.parse({ path: 'out', format: 'json' }))
  return {
    coordinator: () => sink.coordinator(testCoordinatorContext({ baseDirectory, lanes: 2 })),
    writer: (lane) => sink.writer(testLaneContext({ baseDirectory, lane, lanes: 2 })),
    batch: (from, to) => bytesBatch(Array.from({ length: to - from }, (_, at) => `${from + at}`)),
    visible: async () => {
      const names = (await readdir(out).catch(() => [])).filter((name) => !name.startsWith('.'))
      const texts = await Promise.all(names.map((name) => readFile(join(out, name), 'utf8')))
      return texts.flatMap((text) => text.trimEnd().split('\n').map(Number)).sort((a, b) => a - b)
    },
    [Symbol.asyncDispose]: () => rm(baseDirectory, { recursive: true, force: true }),
  }
}

sinkSuite('files', open)
