import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Batch } from '../core/batch.ts'
import { MillraceError } from '../core/errors.ts'
import type { Schema } from '../core/schema.ts'
import { openLaneDatabase, type LaneDatabase } from '../dataplane/index.ts'
import { bytesBatch, testBatch } from '../testkit/bytes-batch.ts'
import { columnsOf } from './columns.ts'
import { createModuleOperator } from './module.ts'
import { createQueryOperator } from './query.ts'
import { writeRows, type Row } from './row-lines.ts'
import { takeValue } from './row-values.ts'
import type { QueryWork } from './step.ts'

function schemaOf(types: Record<string, string>): Schema {
  return Object.entries(types).map(([name, type]) => ({ name, type, nullable: name !== 'id' }))
}

const SCHEMA = schemaOf({ id: 'bigint', name: 'varchar' })

/** The step that the plan puts in front of a user function. */
function decoding(schema: Schema): QueryWork {
  return {
    id: 'decode',
    input: { format: { kind: 'bytes', format: 'json', separator: 0x0a }, encoding: 'json', schema },
    metadata: [],
    relation: 'rows',
    selects: [],
    outputs: [{ select: 'rows', format: { kind: 'rows' }, schema }],
  }
}

class Project implements AsyncDisposable {
  readonly root: string
  readonly database: LaneDatabase

  private constructor(root: string, database: LaneDatabase) {
    this.root = root
    this.database = database
  }

  static async make(): Promise<Project> {
    const root = await mkdtemp(join(tmpdir(), 'millrace-module-'))
    return new Project(root, await openLaneDatabase({ memoryLimitBytes: 128 * 2 ** 20 }))
  }

  async write(name: string, text: string): Promise<string> {
    await mkdir(this.root, { recursive: true })
    await writeFile(join(this.root, name), text)
    return join(this.root, name)
  }

  async run(file: string, batch: Batch, input: Schema = SCHEMA, schema: Schema = SCHEMA): Promise<readonly Row[]> {
    const context = { baseDirectory: this.root, database: async () => this.database }
    const operator = createModuleOperator({ id: 'mine', file, input, schema }, context)
    const decoder = createQueryOperator(decoding(input), context)
    const rows: Row[] = []
    try {
      await operator.open()
      await decoder.open()
      await decoder.process(batch, {
        emit: async (_, decoded) =>
          operator.process(decoded, {
            emit: async (_, result) => {
              assert.ok(result.body.kind === 'rows')
              rows.push(...result.body.rows)
              result.release()
            },
          }),
      })
      return rows
    } finally {
      await decoder.close()
      await operator.close()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.database.close()
    await rm(this.root, { recursive: true, force: true })
  }
}

function failsWith(code: string): (thrown: unknown) => boolean {
  return (thrown) => thrown instanceof MillraceError && thrown.code === code
}

function plain(rows: readonly Row[]): unknown[] {
  return rows.map((row) => ({ ...row }))
}

test('a function makes one row, several or none of a row, at once or later', async () => {
  await using project = await Project.make()
  const file = await project.write(
    'a.ts',
    `export default (row: { id: bigint }, context: { split: string }) => {
       if (row.id === 1n) return null
       if (row.id === 2n) return [row, { ...row, name: context.split }]
       if (row.id === 3n) return Promise.resolve({ id: 30 })
       return row.id === 4n ? [] : row
     }`,
  )
  const batch = bytesBatch([1, 2, 3, 4, 5].map((id) => `{"id":${id},"name":"n"}`))
  assert.deepEqual(plain(await project.run(file, batch)), [
    { id: 2n, name: 'n' },
    { id: 2n, name: 's/0' },
    { id: 30n, name: null },
    { id: 5n, name: 'n' },
  ])
  assert.equal(batch.releases, 1)
})

test('what does not fit the schema is named by column and place, never by value', async () => {
  await using project = await Project.make()
  const cases: readonly (readonly [string, string])[] = [
    ['{ id: "secret" }', 'id'],
    ['{ id: 1.5 }', 'id'],
    ['{ id: 2n ** 63n }', 'id'],
    ['{ name: "x" }', 'id'],
    ['{ id: 1n, nmae: "secret" }', 'nmae'],
    ['{ id: 1n, name: 5 }', 'name'],
    ['"secret"', ''],
    ['(() => { throw new Error("secret") })()', ''],
  ]
  for (const [index, [expression, column]] of cases.entries()) {
    const file = await project.write(`m${index}.ts`, `export default (row: object) => (${expression})`)
    const thrown: unknown = await project.run(file, bytesBatch(['{"id":1}'])).catch((error: unknown) => error)
    assert.ok(thrown instanceof MillraceError, expression)
    assert.deepEqual(
      [thrown.code, thrown.detail['column'], thrown.detail['offset']],
      ['POISON', column, '0'],
      expression,
    )
    assert.ok(!JSON.stringify([thrown.message, thrown.detail]).includes('secret'), expression)
  }
})

test('a record that the function never sees is refused by the same rules as in SQL', async () => {
  await using project = await Project.make()
  const file = await project.write('a.ts', 'export default (row: object) => row')
  await assert.rejects(project.run(file, bytesBatch(['{"id":1.5}'])), failsWith('POISON'))
})

test('modules outside of the project, or without a function, are refused', async () => {
  await using project = await Project.make()
  await using other = await Project.make()
  const outside = await other.write('a.ts', 'export default (row: object) => row')
  const link = join(project.root, 'link.ts')
  await symlink(outside, link)
  const noFunction = await project.write('b.ts', 'export default 5')
  for (const file of [outside, link, noFunction, join(project.root, 'none.ts')]) {
    await assert.rejects(project.run(file, bytesBatch([])), failsWith('CONFIG'), file)
  }
})

test('names that JavaScript gives a meaning are ordinary columns', async () => {
  await using project = await Project.make()
  const schema = schemaOf({ id: 'bigint', ['__proto__']: 'varchar', constructor: 'varchar' })
  const file = await project.write('a.ts', 'export default (row: object) => row')
  const batch = bytesBatch(['{"id":1,"__proto__":"p","constructor":"c"}'])
  const [row] = await project.run(file, batch, schema, schema)
  assert.deepEqual(Object.entries(row ?? {}), [
    ['id', 1n],
    ['__proto__', 'p'],
    ['constructor', 'c'],
  ])
  assert.equal(({} as Record<string, unknown>)['p'], undefined)
})

const TYPES = schemaOf({
  id: 'bigint',
  small: 'utinyint',
  huge: 'uhugeint',
  flag: 'boolean',
  single: 'float',
  real: 'double',
  text: 'varchar',
  bytes: 'blob',
  long: 'decimal(38,10)',
  seconds: 'timestamp(0)',
  millis: 'timestamp(3)',
  micros: 'timestamp(6)',
  nanos: 'timestamp(9)',
  zoned: 'timestamptz',
  document: 'json',
})

const moment = (unit: bigint): fc.Arbitrary<bigint> =>
  fc.bigInt({ min: -62_000_000_000n, max: 253_000_000_000n }).map((seconds) => seconds * unit)
const decimal = fc.tuple(fc.bigInt({ min: 0n, max: 10n ** 38n - 1n }), fc.boolean()).map(([digits, negative]) => {
  const text = String(digits).padStart(11, '0')
  return `${negative && digits > 0n ? '-' : ''}${text.slice(0, -10)}.${text.slice(-10)}`
})
const finite = { noNaN: true, noDefaultInfinity: true } as const

const rowArbitrary = fc.record({
  id: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  small: fc.option(fc.integer({ min: 0, max: 255 })),
  huge: fc.option(fc.bigInt({ min: 0n, max: 2n ** 128n - 1n })),
  flag: fc.option(fc.boolean()),
  single: fc.option(fc.float(finite)),
  real: fc.option(fc.double(finite)),
  text: fc.option(fc.string({ unit: 'binary' }).map((text) => text.toWellFormed())),
  bytes: fc.option(fc.uint8Array({ maxLength: 20 })),
  long: fc.option(decimal),
  seconds: fc.option(moment(1_000_000n)),
  millis: fc.option(moment(1_000_000n).map((micros) => micros + 123_000n)),
  micros: fc.option(moment(1_000_000n).map((micros) => micros + 123_456n)),
  // DuckDB's nanoseconds reach from 1677 to 2262.
  nanos: fc.option(fc.bigInt({ min: -(2n ** 62n), max: 2n ** 62n })),
  zoned: fc.option(moment(1_000_000n).map((micros) => micros + 1n)),
  document: fc.option(fc.json({ maxDepth: 2 })),
})

test('every value comes back from the data plane as it went in', async () => {
  await using project = await Project.make()
  const file = await project.write('same.ts', 'export default (row: object) => row')
  const columns = columnsOf(TYPES)
  await fc.assert(
    fc.asyncProperty(fc.array(rowArbitrary, { minLength: 1, maxLength: 20 }), async (rows) => {
      const taken = rows.map((row) =>
        Object.fromEntries(columns.map((column) => [column.name, takeValue(row[column.name as 'id'], column)])),
      )
      const lines = writeRows(taken, columns)
      const batch = testBatch(rows.length, { kind: 'bytes', buffer: lines, length: lines.length, separator: 0x0a })
      assert.deepEqual(plain(await project.run(file, batch, TYPES, TYPES)), taken)
    }),
    { numRuns: 60 },
  )
})
