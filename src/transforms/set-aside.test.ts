import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import type { BodyFormat } from '../core/batch.ts'
import { openLaneDatabase, type LaneDatabase } from '../dataplane/index.ts'
import { bytesBatch } from '../testkit/bytes-batch.ts'
import { recordsOf } from '../testkit/read-splits.ts'
import type { LaneOperator } from './operator.ts'
import { createQueryOperator } from './query.ts'
import type { RecordFault } from './record-place.ts'
import type { QueryWork } from './step.ts'

const LINES: BodyFormat = { kind: 'bytes', format: 'json', separator: 0x0a }
const INPUT = [
  { name: 'id', type: 'bigint', nullable: false },
  { name: 'v', type: 'varchar', nullable: true },
]

let database: LaneDatabase
before(async () => void (database = await openLaneDatabase({ memoryLimitBytes: 128 * 2 ** 20 })))
after(() => database.close())

const SELECT = { name: 'out', sql: 'SELECT id, CAST(v AS INTEGER) AS n FROM ev' }
const OUTPUT = { select: 'out', format: LINES, schema: [{ name: 'n', type: 'integer', nullable: true }] }

function work(parts: Partial<QueryWork> = {}): QueryWork {
  return {
    id: 'out',
    input: { format: LINES, encoding: 'json', schema: INPUT },
    metadata: [],
    relation: 'ev',
    selects: [SELECT],
    outputs: [OUTPUT],
    ...parts,
  }
}

/** Two outputs read a table that was decoded once. */
const TWICE: Partial<QueryWork> = {
  selects: [SELECT, { name: 'other', sql: 'SELECT id FROM ev' }],
  outputs: [OUTPUT, { select: 'other', format: LINES, schema: [{ name: 'id', type: 'bigint', nullable: true }] }],
}

type Kind = 'good' | 'broken' | 'unfit' | 'failing'

function line(kind: Kind, id: number): string {
  if (kind === 'broken') return `{"id":${id}`
  if (kind === 'unfit') return `{"id":"x","v":"1"}`
  return `{"id":${id},"v":"${kind === 'failing' ? 'no number' : id}"}`
}

interface Result {
  readonly outputs: readonly (readonly string[])[]
  readonly faults: readonly RecordFault[]
}

async function run(operator: LaneOperator, kinds: readonly Kind[], outputs: number): Promise<Result> {
  const records: string[][] = Array.from({ length: outputs }, () => [])
  const faults: RecordFault[] = []
  const metadata = { offset: BigInt64Array.from(kinds, (_, at) => BigInt(at)) }
  const batch = bytesBatch(
    kinds.map((kind, id) => line(kind, id)),
    { metadata },
  )
  await operator.process(batch, {
    setAside: async (found) => void faults.push(...found),
    emit: async (output, made) => {
      records[output]?.push(...recordsOf(made))
      made.release()
    },
  })
  assert.equal(batch.releases, 1)
  return { outputs: records, faults }
}

const KINDS = fc.array(fc.constantFrom<Kind>('good', 'good', 'good', 'broken', 'unfit', 'failing'), {
  minLength: 1,
  maxLength: 400,
})

for (const [name, parts] of [
  ['bytes are read directly', {}],
  ['bytes are decoded once for two outputs', TWICE],
  [
    'each record gets what its source knows of it',
    { metadata: [{ name: '_offset', type: 'bigint', nullable: false }] },
  ],
] as const) {
  test(`bad records are set aside and the others go on: ${name}`, async () => {
    const one = work(parts)
    const operator = createQueryOperator(one, { baseDirectory: '/', database: async () => database })
    await operator.open()
    try {
      await fc.assert(
        fc.asyncProperty(KINDS, async (kinds) => {
          const { outputs, faults } = await run(operator, kinds, one.outputs.length)
          const bad = kinds.flatMap((kind, row) => (kind === 'good' ? [] : [{ row, isOfStep: kind === 'failing' }]))
          assert.deepEqual(
            faults.map(({ row, isOfStep }) => ({ row, isOfStep })),
            bad,
          )
          const good = kinds.flatMap((kind, id) => (kind === 'good' ? [`{"n":${id}}`] : []))
          assert.deepEqual(outputs[0], good)
          if (outputs.length > 1) assert.equal(outputs[1]?.length, good.length)
        }),
        { numRuns: 15 },
      )
    } finally {
      await operator.close()
    }
  })
}
