import { assert } from '../core/assert.ts'
import type { Batch, BytesBody, UnreadRecord } from '../core/batch.ts'
import type { CheckpointId } from '../core/checkpoint-types.ts'
import { deadLetterLine, lettersOf, type DeadLetter, type DeadLetterRoute } from '../core/dead-letters.ts'
import type { DeadLettersOfPart } from '../checkpoint/dead-letter-budget.ts'
import { MillraceError } from '../core/errors.ts'
import type { JsonObject } from '../core/json.ts'
import type { Edge, Plan } from '../plan/plan.ts'
import { placeOf, type RecordFault } from '../transforms/record-place.ts'

/** A record that cannot be carried, with the part of the pipeline that says so. */
export interface Letter {
  readonly row: number
  readonly part: string
  readonly code: string
  readonly column: string
  readonly reason: string
  /** Where the record begins in the body of its batch, if that is known. */
  readonly byte?: number
}

/** Dead letters on their way to a sink: the step at which they enter the flow, and the lines. */
export interface Posted {
  readonly step: string
  readonly edges: readonly Edge[]
  readonly batch: Batch
}

/** Makes dead letters of bad records in one lane, and counts them by part for each checkpoint. */
export class LetterBox {
  readonly #routes: Readonly<Record<string, DeadLetterRoute>>
  readonly #outputs: ReadonlyMap<string, readonly Edge[]>
  readonly #attempt: number
  #checkpoint: CheckpointId = 0
  #counts = new Map<string, DeadLettersOfPart>()

  private constructor({ deadLetters = {}, attempt = 1, steps }: Plan) {
    this.#routes = deadLetters
    this.#attempt = attempt
    this.#outputs = new Map(steps.flatMap((step) => (step.kind === 'letters' ? [[step.id, step.outputs]] : [])))
  }

  /** Undefined where no part of the plan has dead letters. */
  static of(plan: Plan): LetterBox | undefined {
    return plan.deadLetters === undefined ? undefined : new LetterBox(plan)
  }

  begin(checkpoint: CheckpointId): void {
    this.#checkpoint = checkpoint
    this.#counts = new Map()
  }

  /** What was put aside since the last cut. What follows belongs to `next`. */
  cut(next: CheckpointId): ReadonlyMap<string, DeadLettersOfPart> {
    const counts = this.#counts
    this.begin(next)
    return counts
  }

  takes(part: string): boolean {
    return this.#routes[part] !== undefined
  }

  /** Letters of records of one batch as it was read, sink by sink. `raw` gives the bytes of a record. */
  post(source: string, batch: Batch, letters: readonly Letter[], raw: (row: number) => Uint8Array): Posted[] {
    const bySink = Map.groupBy(letters, ({ part }) => {
      const route = this.#routes[part]
      assert(route !== undefined, `${part} has dead letters`)
      return lettersOf(route.to)
    })
    return [...bySink].map(([step, own]) => {
      const lines = own.map(({ row, part, byte, ...why }) => {
        const position = positionOf(batch, row, byte)
        return this.#line({ source, split: batch.split, position, step: part, ...why, raw: raw(row) })
      })
      return this.#posted(step, batch, lines)
    })
  }

  /** Letters of records that their source could not make rows of. */
  postUnread(source: string, batch: Batch, unread: readonly UnreadRecord[]): Posted {
    const to = this.#routes[source]?.to
    assert(to !== undefined, `${source} has dead letters`)
    const lines = unread.map((record) =>
      this.#line({ source, split: batch.split, step: source, code: 'POISON', ...record }),
    )
    return this.#posted(lettersOf(to), batch, lines)
  }

  #posted(step: string, batch: Batch, lines: readonly string[]): Posted {
    const edges = this.#outputs.get(step)
    assert(edges !== undefined, `dead letters enter the flow at ${step}`)
    return { step, edges, batch: linesBatch(batch, lines) }
  }

  #line(letter: Omit<DeadLetter, 'checkpoint' | 'attempt'>): string {
    const { source, split, position, step, reason } = letter
    const { rows = 0, first = { source, split, position, reason } } = this.#counts.get(step) ?? {}
    this.#counts.set(step, { rows: rows + 1, first })
    return deadLetterLine({ ...letter, attempt: this.#attempt, checkpoint: this.#checkpoint })
  }
}

/** Says of a refusal which part of the plan it comes from. */
export async function blame<T>(part: string | undefined, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (thrown) {
    throw part === undefined ? thrown : blamed(part, thrown)
  }
}

export function blamed(part: string, thrown: unknown): unknown {
  if (!(thrown instanceof MillraceError) || thrown.code !== 'POISON') return thrown
  const { message, code, retry, cause, detail } = thrown
  return new MillraceError(message, { code, retry, cause, detail: { part, ...detail } })
}

/** The numbers of records of a body of bytes, as their bytes. Records are asked for in their order. */
export function rawRecords(body: BytesBody): (row: number) => Uint8Array {
  let at = { row: 0, start: 0 }
  return (row) => {
    if (row < at.row) at = { row: 0, start: 0 }
    const endOf = (index: number, start: number): number => body.ends?.[index] ?? separatorAfter(body, start)
    for (; at.row < row; at.row++) at.start = endOf(at.row, at.start) + 1
    return body.buffer.subarray(at.start, endOf(row, at.start))
  }
}

function separatorAfter({ buffer, separator, length }: BytesBody, start: number): number {
  const at = buffer.indexOf(separator, start)
  return at === -1 || at > length ? length : at
}

/** A letter of a fault in the decoding or in a step, if either has dead letters. */
export function letterOf(fault: RecordFault, row: number, parts: { source: string; step: string | undefined }): Letter {
  const part = fault.isOfStep === true && parts.step !== undefined ? parts.step : parts.source
  return { row, part, code: 'POISON', column: fault.column, reason: fault.reason }
}

/** Where a record stands, in the fewest words: the split is a column of its own. */
function positionOf(batch: Batch, row: number, byte: number | undefined): JsonObject {
  const { split: _split, recordInBatch, from, next: _next, ...exact } = placeOf(batch, row, byte)
  return Object.keys(exact).length > 0 ? exact : { from: from ?? null, recordInBatch: recordInBatch ?? row }
}

function linesBatch({ split, from, next }: Batch, lines: readonly string[]): Batch {
  const buffer = Buffer.from(`${lines.join('\n')}\n`)
  const body = { kind: 'bytes', buffer, length: buffer.length, separator: 0x0a } as const
  return { kind: 'batch', split, from, next, body, rows: lines.length, bytes: buffer.length, release() {} }
}
