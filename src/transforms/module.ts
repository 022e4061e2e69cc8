import type { Batch } from '../core/batch.ts'
import { assert } from '../core/assert.ts'
import { formatColumnType, type Column } from '../dataplane/index.ts'
import type { ModuleWork } from './step.ts'
import { columnsOf } from './columns.ts'
import type { TransformContext, TransformFunction } from './define-transform.ts'
import { importTransform } from './import-transform.ts'
import type { LaneOperator, OperatorContext, OperatorOutput } from './operator.ts'
import { poisonError, RowsAtFault, type RecordFault } from './record-place.ts'
import { emptyRow, type Row } from './row-lines.ts'
import { takeValue, ValueFault } from './row-values.ts'

type UserFunction = TransformFunction<Row, Row>
type Fault = (column: string, reason: string) => RowsAtFault

/** The user's own TypeScript function, called row by row. */
export function createModuleOperator(step: ModuleWork, context: OperatorContext): LaneOperator {
  return new ModuleOperator(step, context)
}

class ModuleOperator implements LaneOperator {
  readonly #step: ModuleWork
  readonly #context: OperatorContext
  readonly #input: readonly Column[]
  readonly #output: readonly Column[]
  readonly #known: ReadonlySet<string>
  /** Columns that go out as they come in: a value that the function left alone needs no second look. */
  readonly #kept: ReadonlySet<string>
  #transform: UserFunction | undefined

  constructor(step: ModuleWork, context: OperatorContext) {
    this.#step = step
    this.#context = context
    this.#input = columnsOf(step.input)
    this.#output = columnsOf(step.schema)
    const same = this.#output.filter((column) =>
      this.#input.some(({ name, type, nullable }) => {
        const isTaken = column.nullable || !nullable
        return name === column.name && isTaken && formatColumnType(type) === formatColumnType(column.type)
      }),
    )
    this.#kept = new Set(same.map(({ name }) => name))
    this.#known = new Set([...this.#input, ...this.#output].map(({ name }) => name))
  }

  async open(): Promise<void> {
    this.#transform = await importTransform(this.#step, this.#context.baseDirectory)
  }

  async process(batch: Batch, out: OperatorOutput): Promise<void> {
    let result: Batch
    try {
      const { split, from, next, bytes } = batch
      assert(batch.body.kind === 'rows', 'a query step gives rows to user functions')
      const faults: RecordFault[] = []
      const rows = await this.#apply(batch, batch.body.rows, out.setAside === undefined ? undefined : faults)
      if (faults.length > 0) await out.setAside?.(faults)
      const body = { kind: 'rows', rows, schema: this.#step.schema } as const
      result = { kind: 'batch', split, from, next, bytes, body, rows: rows.length, release() {} }
    } finally {
      batch.release()
    }
    if (result.rows > 0) await out.emit(0, result)
  }

  async close(): Promise<void> {}

  /** Bad rows are put into `aside`, or throw. */
  async #apply(batch: Batch, rows: readonly Row[], aside: RecordFault[] | undefined): Promise<Row[]> {
    const transform = this.#transform
    assert(transform !== undefined, 'the operator was opened')
    const context: TransformContext = Object.freeze({ step: this.#step.id, split: batch.split })
    const results: Row[] = []
    for (const [index, row] of rows.entries()) {
      const fault: Fault = (column, reason) => new RowsAtFault([{ row: index, column, reason, isOfStep: true }])
      try {
        const answer = this.#call(transform, row, context, fault)
        // Most functions are synchronous; awaiting their rows would cost more than many of them do.
        const returned = answer instanceof Promise ? await answer.catch((thrown) => this.#threw(thrown, fault)) : answer
        if (returned === null || returned === undefined) continue
        const made = Array.isArray(returned) ? (returned as readonly Row[]) : [returned as Row]
        results.push(...made.map((one) => this.#checked(one, row, fault)))
      } catch (thrown) {
        if (!(thrown instanceof RowsAtFault)) throw thrown
        if (aside === undefined) throw poisonError(this.#step.id, batch, thrown.faults)
        aside.push(...thrown.faults)
      }
    }
    return results
  }

  #call(transform: UserFunction, row: Row, context: TransformContext, fault: Fault): ReturnType<UserFunction> {
    try {
      return transform(row, context)
    } catch (thrown) {
      return this.#threw(thrown, fault)
    }
  }

  #threw(thrown: unknown, fault: Fault): never {
    throw fault('', `the function threw ${describeThrown(thrown)}`)
  }

  /** The declared columns of a returned row in their exact forms. */
  #checked(returned: unknown, from: Row, fault: Fault): Row {
    if (typeof returned !== 'object' || returned === null || Array.isArray(returned)) {
      throw fault('', 'the function has to return a row object, a list of them, or null')
    }
    const given = returned as Row
    // Keys of the input may be left over from a spread; any other is a mistyped column.
    for (const key of Object.keys(given)) if (!this.#known.has(key)) throw fault(key, 'the step has no such column')
    const row = emptyRow()
    for (const column of this.#output) {
      const value = Object.hasOwn(given, column.name) ? given[column.name] : null
      try {
        row[column.name] = this.#kept.has(column.name) && value === from[column.name] ? value : takeValue(value, column)
      } catch (thrown) {
        if (!(thrown instanceof ValueFault)) throw thrown
        throw fault(column.name, thrown.message)
      }
    }
    return row
  }
}

/** The class of an error and where it was thrown; its message may hold values of the row. */
function describeThrown(thrown: unknown): string {
  if (!(thrown instanceof Error)) return 'something that is no Error'
  const at = /\n\s+at (.*)/.exec(thrown.stack ?? '')?.[1]
  return `${thrown.constructor.name}${at === undefined ? '' : ` at ${at}`}`
}
