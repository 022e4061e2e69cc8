import { assert } from '../../core/assert.ts'
import type { Finding } from '../../core/checkpoint-types.ts'
import type { ConnectorContext, LaneContext, PreflightContext, SourceContext } from '../../core/context.ts'
import { MillraceError } from '../../core/errors.ts'
import type { Source, SplitEnumerator, SplitReader } from '../../core/source.ts'
import type { LaneDatabase } from '../../dataplane/index.ts'
import { checkIceberg } from './check.ts'
import { DeleteTables } from './delete-tables.ts'
import { IcebergEnumerator } from './enumerator.ts'
import { pointAtTable } from './open-table.ts'
import type { IcebergSourceOptions } from './options.ts'
import type { RowsWanted } from './piece-rows.ts'
import { plannedFields, pruneOf, whereOf } from './read-schema.ts'
import { IcebergReader } from './reader.ts'
import { SnapshotPlans } from './snapshot-plans.ts'
import { StripeCursor } from './stripe-cursor.ts'

/** Reads the rows of an Iceberg table: one snapshot, or a branch as it grows. */
export class IcebergSource implements Source {
  readonly #options: IcebergSourceOptions

  constructor(options: IcebergSourceOptions) {
    this.#options = options
  }

  async check(context: PreflightContext): Promise<readonly Finding[]> {
    return await checkIceberg(this.#options, this.#plans(context), context)
  }

  enumerator(context: SourceContext): SplitEnumerator {
    return new IcebergEnumerator(this.#options, context, this.#plans(context))
  }

  reader(context: LaneContext): SplitReader {
    const { follow, changes } = this.#options
    if (changes === 'changes' && !context.metadata.includes('_change')) {
      throw new MillraceError(
        `reading ${context.id}: with \`changes: changes\` rows that disappear come too, so the SQL after it has to look at ` +
          "`_change` ('insert' or 'delete')",
        { code: 'CONFIG' },
      )
    }
    const { schema } = context
    assert(schema !== undefined, 'the plan knows the schema of a table')
    const plans = this.#plans(context)
    const database = async (): Promise<LaneDatabase> => (await context.database()) as LaneDatabase
    let deletes: Promise<DeleteTables> | undefined
    let wanted: Promise<RowsWanted> | undefined
    const settings = {
      plans,
      database,
      deletes: () => (deletes ??= database().then((opened) => new DeleteTables(opened))),
      wanted: () =>
        (wanted ??= plans.table().then(({ metadata }) => ({
          fields: plannedFields(schema, this.#options, metadata),
          where: whereOf(this.#options, metadata),
          prune: pruneOf(context.prune, this.#options, metadata),
          reads: context.reads,
          metadata: context.metadata,
        }))),
      schema,
      follow,
    }
    return new IcebergReader({
      open: (split) => new StripeCursor(split, settings),
      clock: context.clock,
      close: async () => await (await deletes)?.close().catch(() => undefined),
    })
  }

  #plans(context: ConnectorContext): SnapshotPlans {
    return new SnapshotPlans(pointAtTable(this.#options, context), this.#options, context)
  }
}
