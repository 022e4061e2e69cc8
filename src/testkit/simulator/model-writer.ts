import type { Batch, Body } from '../../core/batch.ts'
import type { CheckpointId } from '../../core/checkpoint-types.ts'
import { MillraceError } from '../../core/errors.ts'
import { failpoint } from '../../core/failpoints.ts'
import type { JsonObject } from '../../core/json.ts'
import type { CutResult, SinkWriter } from '../../core/sink.ts'
import type { Row } from './audit.ts'
import { thisProcess } from './process.ts'

/** What a lane has open at the server for one checkpoint. */
export interface OpenWork {
  readonly checkpoint: CheckpointId
  readonly ticket: JsonObject
  rows: number
  sent: Promise<void>
  isDropped: boolean
}

/** How one family of sinks sends rows and prepares them. */
export interface WriterSteps {
  send(work: OpenWork, rows: readonly Row[], isFirst: boolean): Promise<void>
  /** The committable of everything that was sent. */
  prepare(work: OpenWork): Promise<JsonObject>
  /** Throws away what was sent; what cannot be reached stays for the sweep. */
  drop(work: OpenWork): Promise<void>
}

/** The lane's side of every model sink: sends while rows arrive, prepares at the barrier. */
export class ModelWriter implements SinkWriter {
  readonly #steps: WriterSteps
  #checkpoint: CheckpointId = 0
  #ticket: JsonObject = {}
  #open: OpenWork | undefined
  #cutting = new Set<OpenWork>()

  constructor(steps: WriterSteps) {
    this.#steps = steps
  }

  begin(checkpoint: CheckpointId, ticket: JsonObject): void {
    if (this.#open !== undefined) {
      const { watch } = thisProcess().world
      watch.violation(
        `a writer begins checkpoint ${checkpoint} while ${this.#open.checkpoint} is open and not rolled back`,
      )
    }
    this.#goOn(checkpoint, ticket)
  }

  #goOn(checkpoint: CheckpointId, ticket: JsonObject): void {
    this.#checkpoint = checkpoint
    this.#ticket = ticket
    this.#open = undefined
  }

  async write(batch: Batch): Promise<void> {
    const rows = rowsIn(batch.body)
    batch.release()
    const isFirst = this.#open === undefined
    const work = (this.#open ??= {
      checkpoint: this.#checkpoint,
      ticket: this.#ticket,
      rows: 0,
      sent: Promise.resolve(),
      isDropped: false,
    })
    work.rows += rows.length
    work.sent = work.sent.then(() => this.#steps.send(work, rows, isFirst))
    await work.sent
  }

  async cut(next: { readonly checkpoint: CheckpointId; readonly ticket: JsonObject }): Promise<CutResult> {
    const work = this.#open
    this.#goOn(next.checkpoint, next.ticket)
    if (work === undefined) return { committables: [], counts: { rows: 0, bytes: 0 } }
    this.#cutting.add(work)
    try {
      failpoint('sink.flush', 'before')
      await work.sent
      failpoint('sink.flush', 'after')
      failpoint('sink.prepare', 'before')
      const committable = await this.#steps.prepare(work)
      if (work.isDropped) throw new MillraceError('rolled back', { code: 'UNAVAILABLE', retry: 'restart' })
      failpoint('sink.prepare', 'after')
      return { committables: [committable], counts: { rows: work.rows, bytes: work.rows } }
    } finally {
      this.#cutting.delete(work)
    }
  }

  async rollback(): Promise<void> {
    const dropped = [...this.#cutting, ...(this.#open === undefined ? [] : [this.#open])]
    this.#open = undefined
    for (const work of dropped) {
      work.isDropped = true
      await this.#steps.drop(work).catch(() => undefined)
    }
  }

  async close(): Promise<void> {}
}

function rowsIn(body: Body): readonly Row[] {
  if (body.kind === 'rows') return body.rows as unknown as readonly Row[]
  if (body.kind !== 'bytes') throw new MillraceError('a model sink takes rows or lines', { code: 'INTERNAL' })
  const lines = body.buffer.toString('utf8', 0, body.length).split('\n')
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Row)
}
