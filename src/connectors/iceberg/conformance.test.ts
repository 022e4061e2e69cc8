import { fixtureTable, OpenedIceberg } from '../../testkit/iceberg-tables.ts'
import { sourceSuite, type OpenedSource } from '../../testkit/source-suite.ts'

async function open(): Promise<OpenedSource> {
  const table = await OpenedIceberg.open({ table: fixtureTable('v2_partitioned') })
  const records = await table.readLines()
  return {
    records,
    enumerator: () => table.enumerator(),
    reader: () => table.lineReader(),
    refused: (splits) => {
      const changed = (change: Record<string, string>): typeof splits =>
        splits.slice(0, 1).map((split) => ({ ...split, at: { ...split.at, ...change } }))
      return [
        { splits: changed({ snapshot: '17' }), code: 'POSITION_LOST' },
        { splits: changed({ plan: 'another' }), code: 'POSITION_LOST' },
        {
          splits: splits.slice(1, 2).map((split) => ({ ...split, spec: { ...split.spec, table: 'another' } })),
          code: 'POSITION_LOST',
        },
      ]
    },
    [Symbol.asyncDispose]: () => table[Symbol.asyncDispose](),
  }
}

sourceSuite('iceberg', open)
