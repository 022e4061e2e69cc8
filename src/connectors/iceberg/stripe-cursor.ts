import type { Batch, SplitEnd, SplitId } from '../../core/batch.ts'
import type { Schema } from '../../core/schema.ts'
import type { SplitAssignment } from '../../core/source.ts'
import { mayHoldRows, type Piece } from '../../clients/iceberg/index.ts'
import { duckType, parseColumnType, quoteName, type LaneDatabase } from '../../dataplane/index.ts'
import type { RowTable } from '../../dataplane/parquet-source/index.ts'
import type { DeleteTables } from './delete-tables.ts'
import { openPiece, PieceRows, type OpenedPiece, type RowsWanted } from './piece-rows.ts'
import { lost, type SnapshotPlans } from './snapshot-plans.ts'
import { stripePosition, stripeSpec, type StripePosition, type StripeSpec } from './split.ts'

/** What the stripes of a lane share. */
export interface StripeSettings {
  readonly plans: SnapshotPlans
  readonly database: () => Promise<LaneDatabase>
  readonly deletes: () => Promise<DeleteTables>
  readonly wanted: () => Promise<RowsWanted>
  /** Of the tables that are given, without metadata columns. */
  readonly schema: Schema
  readonly follow: boolean
}

/** A stripe inside of one snapshot. */
interface Place {
  readonly snapshot: string
  readonly rows: 'all' | 'added'
  readonly plan: string
  readonly pieces: readonly Piece[]
  piece: number
  row: number
  open: PieceRows | undefined
  ahead: Promise<OpenedPiece> | undefined
}

let empties = 0

/** Reads one stripe, piece by piece and snapshot by snapshot. Calls never overlap. */
export class StripeCursor {
  readonly split: SplitId
  readonly #spec: StripeSpec
  readonly #isTraced: boolean
  readonly #settings: StripeSettings
  /** Behind the last batch that was given. */
  #at: StripePosition
  #place: Place | undefined

  constructor({ split, spec, at, isTraced }: SplitAssignment, settings: StripeSettings) {
    this.split = split
    this.#spec = stripeSpec(spec)
    this.#isTraced = isTraced === true
    this.#at = stripePosition(at)
    this.#settings = settings
  }

  /** The next batch, the end, or `undefined` when there is nothing now (or the signal was given). */
  async next(signal: AbortSignal): Promise<Batch | SplitEnd | undefined> {
    while (!signal.aborted) {
      const place = (this.#place ??= await this.#enter())
      if (place === undefined) {
        return this.#settings.follow ? undefined : { kind: 'split-end', split: this.split, at: this.#at }
      }
      const batch = await this.#step(place)
      if (batch !== undefined) return batch
    }
    return undefined
  }

  async close(): Promise<void> {
    const place = this.#place
    this.#place = undefined
    await place?.open?.close()
  }

  /** Where the position lies; `undefined` when everything was read that there is. */
  async #enter(): Promise<Place | undefined> {
    const at = this.#at
    const { plans, follow } = this.#settings
    if (!('done' in at)) {
      const place = await this.#placeIn(at.snapshot, at.rows)
      if (place.plan === at.plan) return Object.assign(place, { piece: at.piece, row: at.row })
      const { metadata } = await plans.table()
      throw lost(metadata, at.snapshot, 'its files are planned otherwise now: was `where` changed?')
    }
    const next = follow ? await plans.following(at.snapshot) : undefined
    return next === undefined ? undefined : await this.#placeIn(next.id, 'added')
  }

  async #placeIn(snapshot: string, rows: 'all' | 'added'): Promise<Place> {
    const { stripe, stripes } = this.#spec
    const plan = await this.#settings.plans.plan({ snapshot, rows }, stripes)
    const pieces = plan.stripes[stripe] ?? []
    return { snapshot, rows, plan: plan.digest, pieces, piece: 0, row: 0, open: undefined, ahead: undefined }
  }

  /** One table further; `undefined` when nothing came of it. */
  async #step(place: Place): Promise<Batch | undefined> {
    if (place.open === undefined) await this.#passOver(place)
    const piece = place.pieces[place.piece]
    if (piece === undefined) return await this.#leave(place)
    const rows = (place.open ??= await this.#open(place, piece))
    const table = await rows.next()
    if (table === undefined) {
      await rows.close()
      Object.assign(place, { piece: place.piece + 1, row: 0, open: undefined })
      return undefined
    }
    const database = await this.#settings.database()
    if (table.rows > 0) {
      return this.#batch(database, table, positionAfter(place, table.to, rows.isAtEnd), piece.task.file.path)
    }
    await database.run(`DROP TABLE IF EXISTS ${quoteName(table.relation)}`)
    return undefined
  }

  /** Goes on to the next piece whose file may hold rows that are kept. Which pieces there are does not depend on that. */
  async #passOver(place: Place): Promise<void> {
    const index = await this.#nextPiece(place, place.piece)
    if (index !== place.piece) Object.assign(place, { piece: index, row: 0 })
  }

  /** The first such piece from here on; behind the last one, when there is none. */
  async #nextPiece({ pieces }: Place, from: number): Promise<number> {
    const { plans, wanted } = this.#settings
    const { prune: where } = await wanted()
    const { metadata } = await plans.table()
    const found = pieces.findIndex(({ task }, index) => index >= from && mayHoldRows({ where, metadata }, task.file))
    return found < 0 ? pieces.length : found
  }

  /** At the end of a snapshot that had nothing for us (any more), a batch without rows carries the position on. */
  async #leave(place: Place): Promise<Batch | undefined> {
    this.#place = undefined
    const { snapshot } = place
    const isThere = 'done' in this.#at && this.#at.snapshot === snapshot
    const next = { snapshot, done: true } as const
    if (isThere || !this.#settings.follow) {
      this.#at = next
      return undefined
    }
    const database = await this.#settings.database()
    const relation = `no rows ${++empties}`
    const columns = this.#settings.schema.map(
      ({ name, type }) => `CAST(NULL AS ${duckType(parseColumnType(type))}) AS ${quoteName(name)}`,
    )
    const { metadata } = await this.#settings.wanted()
    columns.push(...metadata.map((name) => `NULL AS ${quoteName(name)}`))
    await database.run(`CREATE TEMP TABLE ${quoteName(relation)} AS SELECT ${columns.join(', ')} WHERE false`)
    return this.#batch(database, { relation, rows: 0, from: 0, to: 0, bytes: 0 }, next)
  }

  async #open(place: Place, piece: Piece): Promise<PieceRows> {
    const { plans, database, deletes, wanted } = this.#settings
    // Keys that a catalog gives run out: what it says now is asked for again and again.
    const table = await plans.recent()
    const ahead = await place.ahead
    const opened = ahead?.piece === piece ? ahead : await openPiece(table, piece)
    const following = place.pieces[await this.#nextPiece(place, place.piece + 1)]
    place.ahead = following === undefined ? undefined : openPiece(table, following)
    // Whoever awaits it hears of it; nobody does when the cursor is closed before.
    place.ahead?.catch(() => undefined)
    return await PieceRows.open(
      await database(),
      table,
      opened,
      { ...(await wanted()), isTraced: this.#isTraced },
      await deletes(),
      place.snapshot,
      place.row,
    )
  }

  #batch(database: LaneDatabase, table: RowTable, next: StripePosition, file = ''): Batch {
    const from = this.#at
    this.#at = next
    const { fileRows } = table
    const metadata = fileRows && { file: new Array<string>(table.rows).fill(file), offset: fileRows }
    let isReleased = false
    return {
      kind: 'batch',
      split: this.split,
      from,
      next,
      rows: table.rows,
      bytes: table.bytes,
      body: { kind: 'table', relation: table.relation, schema: this.#settings.schema, ...(metadata && { metadata }) },
      release: () => {
        if (isReleased) return
        isReleased = true
        // Nobody waits for it: a table that stays because the lane is ending goes with the lane.
        database.run(`DROP TABLE IF EXISTS ${quoteName(table.relation)}`).catch(() => undefined)
      },
    }
  }
}

function positionAfter(place: Place, row: number, isPieceDone: boolean): StripePosition {
  const { snapshot, rows, plan, piece, pieces } = place
  if (!isPieceDone) return { snapshot, rows, plan, piece, row }
  if (piece + 1 < pieces.length) return { snapshot, rows, plan, piece: piece + 1, row: 0 }
  return { snapshot, done: true }
}
