import { rmSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { testLaneContext, testSourceContext } from '../../testkit/lane-context.ts'
import { openSourceFiles } from '../../testkit/source-files.ts'
import { sourceSuite, type OpenedSource } from '../../testkit/source-suite.ts'

const FILES = ['a.ndjson', 'b.ndjson', 'deep/c.ndjson']
const LINES = 6000

async function open(): Promise<OpenedSource> {
  const files = await openSourceFiles()
  const records: string[] = []
  for (const name of FILES) {
    const lines = Array.from({ length: LINES }, (_, at) => JSON.stringify({ name, at, pad: 'x'.repeat(at % 900) }))
    await files.write(name, lines.map((line) => `${line}\n`).join(''))
    records.push(...lines)
  }
  const source = files.source({ path: '**/*.ndjson', format: 'json' })
  const baseDirectory = files.root
  return {
    records,
    enumerator: () => source.enumerator(testSourceContext({ baseDirectory })),
    reader: () => source.reader(testLaneContext({ baseDirectory })),
    refused: (splits) => {
      truncateSync(join(baseDirectory, 'a.ndjson'), 10)
      rmSync(join(baseDirectory, 'b.ndjson'))
      const of = (name: string): typeof splits => splits.filter(({ split }) => split.endsWith(name))
      return [
        { splits: of('a.ndjson'), code: 'POSITION_LOST' },
        { splits: of('b.ndjson'), code: 'POSITION_LOST' },
      ]
    },
    [Symbol.asyncDispose]: () => files[Symbol.asyncDispose](),
  }
}

sourceSuite('file', open)
