import type { Finding } from '../core/checkpoint-types.ts'
import type { Schema } from '../core/schema.ts'
import type { LaneDatabase } from '../dataplane/lane-database.ts'
import { checkSql } from '../dataplane/sql-check.ts'
import { formatColumnType, parseColumnType, type Column } from '../dataplane/types.ts'
import type { AggregatesQuestion, CheckedSql, SqlChecker, SqlRelation } from './sql-checker.ts'

const MEMORY_BYTES = 128 * 1024 * 1024

/** Checks SQL with a locked DuckDB of its own, loaded and opened for the first statement. Dispose it when planning is over. */
export class DuckdbChecker implements SqlChecker, AsyncDisposable {
  #database: Promise<LaneDatabase> | undefined

  async check(
    sql: string,
    relations: readonly SqlRelation[],
    metadata: Schema,
  ): Promise<CheckedSql | readonly Finding[]> {
    const [relation] = relations
    if (relation === undefined) return []
    const input = { name: relation.name, columns: typed(relation.schema), hidden: typed(metadata) }
    const result = await checkSql(await this.#open(), input, sql)
    if (!result.ok) return result.findings.map((finding) => ({ severity: 'error', code: 'CONFIG', ...finding }))
    const isMetadata = (name: string): boolean => metadata.some((column) => column.name === name)
    return {
      schema: result.columns.map((column) => ({ ...column, type: formatColumnType(column.type) })),
      reads: result.uses.filter((name) => !isMetadata(name)),
      metadata: result.uses.filter(isMetadata),
      keeps: result.keeps,
    }
  }

  async aggregates({ rows, groupBy, time, aggregates }: AggregatesQuestion): ReturnType<SqlChecker['aggregates']> {
    const { compileAggregates } = await import('../dataplane/compile-aggregates.ts')
    const ask = { columns: typed(rows), groupBy: typed(groupBy), time, aggregates }
    return compileAggregates(await this.#open(), ask)
  }

  #open(): Promise<LaneDatabase> {
    this.#database ??= import('../dataplane/lane-database.ts').then(({ openLaneDatabase }) =>
      openLaneDatabase({ memoryLimitBytes: MEMORY_BYTES }),
    )
    return this.#database
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const database = await this.#database
    this.#database = undefined
    await database?.close()
  }
}

function typed(schema: Schema): Column[] {
  return schema.map((column) => ({ ...column, type: parseColumnType(column.type) }))
}
