import type { MessagePort } from 'node:worker_threads'
import { assert } from '../core/assert.ts'
import type { Batch } from '../core/batch.ts'
import type { CheckpointId } from '../core/checkpoint-types.ts'
import { failpoint } from '../core/failpoints.ts'
import type { JsonObject } from '../core/json.ts'
import type { CutResult, SinkWriter } from '../core/sink.ts'
import { Gate } from './gate.ts'
import { SharedBlocks, thrownAway } from './shared-blocks.ts'

/*
 * One writer fed by several lanes, so that a table's checkpoint is one transaction whatever the parallelism:
 *
 *     lane 1: RemoteWriter ──rows, cut──►  lane 0: HostedWriter ──► the sink's writer
 *                          ◄──credit, prepared──
 *
 * Rows travel in blocks of shared memory; a block that was written comes back as a credit, so a slow sink slows every
 * lane. At a barrier the host waits until every lane has cut, and holds back what comes after a lane's cut.
 */

/** Remote → host. `generation` counts the starts of a lane: what an earlier one sent is not heard. */
export type ToHost = { readonly generation: number } & (
  | {
      readonly kind: 'rows'
      readonly block: number
      readonly memory: SharedArrayBuffer
      readonly length: number
      readonly rows: number
      readonly separator: number
      readonly tables: RowsOfTable
    }
  | { readonly kind: 'cut' }
)

/** Host → remote. */
export type ToRemote =
  | { readonly kind: 'credit'; readonly block: number }
  | { readonly kind: 'prepared'; readonly generation: number; readonly rows: number; readonly bytes: number }

/** Which table the rows of a batch belong to, where there are several. */
type RowsOfTable = Pick<Batch, 'table' | 'partial'>

const BLOCKS = 3

/** The end of the lanes that do not host the writer. */
export class RemoteWriter implements SinkWriter {
  readonly #port: MessagePort
  readonly #blocks = new SharedBlocks(BLOCKS)
  #generation = 0
  #cuts: { resolve(result: CutResult): void; reject(error: Error): void }[] = []

  constructor(port: MessagePort) {
    this.#port = port
    port.on('message', (message: ToRemote) => this.#hear(message))
  }

  begin(): void {
    this.#generation += 1
  }

  async write(batch: Batch): Promise<void> {
    const { body, rows } = batch
    assert(body.kind === 'bytes', 'only bytes travel between lanes')
    const generation = this.#generation
    const { block, memory } = await this.#blocks.copy(body.buffer.subarray(0, body.length))
    batch.release()
    const { length, separator } = body
    this.#send({ kind: 'rows', generation, block, memory, length, rows, separator, tables: tablesOf(batch) })
  }

  cut(): Promise<CutResult> {
    this.#send({ kind: 'cut', generation: this.#generation })
    return new Promise((resolve, reject) => this.#cuts.push({ resolve, reject }))
  }

  async rollback(): Promise<void> {
    const error = thrownAway()
    for (const cut of this.#cuts) cut.reject(error)
    this.#cuts = []
  }

  async close(): Promise<void> {
    await this.rollback()
    // No credit comes any more.
    this.#blocks.letGo()
    this.#port.close()
  }

  #hear(message: ToRemote): void {
    if (message.kind === 'credit') {
      this.#blocks.giveBack(message.block)
    } else if (message.generation === this.#generation) {
      const { rows, bytes } = message
      this.#cuts.shift()?.resolve({ committables: [], counts: { rows, bytes } })
    }
  }

  #send(message: ToHost): void {
    this.#port.postMessage(message)
  }
}

interface Remote {
  readonly port: MessagePort
  /** What came after this lane's cut, or before our own start: taken up when the host has caught up. */
  held: ToHost[]
  hasCut: boolean
  rows: number
}

/** The end of the lane that hosts the writer. */
export class HostedWriter implements SinkWriter {
  readonly #writer: SinkWriter
  readonly #remotes: readonly Remote[]
  readonly #failed: (error: unknown) => void
  readonly #gate = new Gate()
  #generation = 0
  /** Between `begin` and `rollback`: rows that were queued before a rollback must not reach what comes after it. */
  #isOpen = false
  /** From our own cut until every lane has cut: `aligned` is what the cut waits for, `over` what later rows wait for. */
  #cutting: { readonly aligned: PromiseWithResolvers<void>; readonly over: PromiseWithResolvers<void> } | undefined

  /** `failed` is told of errors that no call of the host's own lane would hear of. */
  constructor(writer: SinkWriter, ports: readonly MessagePort[], failed: (error: unknown) => void) {
    this.#writer = writer
    this.#failed = failed
    this.#remotes = ports.map((port) => ({ port, held: [], hasCut: false, rows: 0 }))
    for (const remote of this.#remotes) remote.port.on('message', (message: ToHost) => this.#hear(remote, message))
  }

  begin(checkpoint: CheckpointId, ticket: JsonObject): void {
    this.#generation += 1
    this.#isOpen = true
    this.#writer.begin(checkpoint, ticket)
    for (const remote of this.#remotes) this.#takeUp(remote)
  }

  async write(batch: Batch): Promise<void> {
    const generation = this.#generation
    // After our own cut, rows of the next checkpoint wait until every lane has cut.
    await this.#cutting?.over.promise
    // They may have waited for rows of other lanes while all of them were rolled back.
    return this.#gate.run(() => (this.#isCurrent(generation) ? this.#writer.write(batch) : batch.release()))
  }

  async cut(next: { readonly checkpoint: CheckpointId; readonly ticket: JsonObject }): Promise<CutResult> {
    const generation = this.#generation
    const cut = { aligned: Promise.withResolvers<void>(), over: Promise.withResolvers<void>() }
    for (const { promise } of [cut.aligned, cut.over]) promise.catch(() => undefined)
    this.#cutting = cut
    this.#checkAligned()
    failpoint('chk.align', 'before')
    await cut.aligned.promise
    failpoint('chk.align', 'after')
    const prepared = this.#gate.run(() => {
      if (!this.#isCurrent(generation)) throw thrownAway()
      const counts = this.#remotes.map((remote) => remote.rows)
      const cutting = this.#writer.cut(next)
      for (const remote of this.#remotes) Object.assign(remote, { hasCut: false, rows: 0 })
      this.#cutting = undefined
      cut.over.resolve()
      for (const remote of this.#remotes) this.#takeUp(remote)
      return { cutting, counts }
    })
    const { cutting, counts } = await prepared
    const result = await cutting
    return { ...result, counts: { ...result.counts, rows: this.#share(generation, counts, result) } }
  }

  async rollback(): Promise<void> {
    const error = thrownAway()
    this.#isOpen = false
    this.#cutting?.aligned.reject(error)
    this.#cutting?.over.reject(error)
    this.#cutting = undefined
    for (const remote of this.#remotes) Object.assign(remote, { hasCut: false, rows: 0 })
    await this.#writer.rollback()
  }

  async close(): Promise<void> {
    for (const { port } of this.#remotes) port.close()
    await this.#writer.close()
  }

  /** Tells each lane that its rows are prepared; what remains are the rows of our own lane. */
  #share(generation: number, counts: readonly number[], result: CutResult): number {
    let own = result.counts.rows
    this.#remotes.forEach((remote, index) => {
      const rows = counts[index] ?? 0
      own -= rows
      this.#tell(remote, { kind: 'prepared', generation, rows, bytes: 0 })
    })
    return own
  }

  #hear(remote: Remote, message: ToHost): void {
    const { generation } = message
    const isAhead = generation > this.#generation
    if (!isAhead && !this.#isCurrent(generation)) return this.#giveBack(remote, message)
    if (isAhead || remote.hasCut) {
      remote.held.push(message)
      return
    }
    if (message.kind === 'cut') {
      remote.hasCut = true
      return this.#checkAligned()
    }
    remote.rows += message.rows
    this.#gate
      .run(() => {
        if (!this.#isCurrent(generation)) return this.#giveBack(remote, message)
        return this.#writer.write(batchOf(message, () => this.#giveBack(remote, message)))
      })
      .catch((error: unknown) => {
        if (generation === this.#generation) this.#failed(error)
      })
  }

  #isCurrent(generation: number): boolean {
    return this.#isOpen && generation === this.#generation
  }

  #takeUp(remote: Remote): void {
    const held = remote.held
    remote.held = []
    for (const message of held) this.#hear(remote, message)
  }

  #checkAligned(): void {
    if (this.#remotes.every((remote) => remote.hasCut)) this.#cutting?.aligned.resolve()
  }

  #giveBack(remote: Remote, message: ToHost): void {
    if (message.kind === 'rows') this.#tell(remote, { kind: 'credit', block: message.block })
  }

  #tell(remote: Remote, message: ToRemote): void {
    remote.port.postMessage(message)
  }
}

function batchOf(message: ToHost & { kind: 'rows' }, release: () => void): Batch {
  const { memory, length, rows, separator, tables } = message
  const body = { kind: 'bytes', buffer: Buffer.from(memory), length, separator } as const
  // Positions stay in the lane that read the rows.
  return { kind: 'batch', split: '', from: {}, next: {}, body, rows, bytes: length, ...tables, release }
}

function tablesOf({ table, partial }: Batch): RowsOfTable {
  return { ...(table && { table }), ...(partial && { partial }) }
}
