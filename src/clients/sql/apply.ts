import type { CommitOutcome } from '../../core/checkpoint-types.ts'
import { fenced, type ControlRow, type ControlTable } from './control.ts'
import { CHUNKS, type SqlDialect } from './dialect.ts'
import type { TableSinkOptions } from './options.ts'
import type { SqlSession } from './session.ts'
import type { SqlCommittable } from './sql-committable.ts'
import { dataColumns } from './stage-columns.ts'
import { countStaged } from './staged-rows.ts'

export interface ApplyParts {
  readonly dialect: SqlDialect
  readonly control: ControlTable
  readonly options: TableSinkOptions
  readonly committable: SqlCommittable
  /** The newest epoch of this process: it applies, whoever staged. */
  readonly epoch: number
}

/**
 * Puts the staged rows of a checkpoint into the target, with the checkpoint's number in the control row of the same
 * transaction; or in ordered pieces, each with its own number. Whoever comes second finds the number and does nothing.
 */
export async function applyCheckpoint(session: SqlSession, parts: ApplyParts): Promise<CommitOutcome> {
  const { dialect, options, committable } = parts
  const columns = await dataColumns(session, dialect, committable.stage)
  const pieces = options.apply === 'chunks' ? CHUNKS : 1
  for (let piece = 0; piece < pieces; piece++) {
    const outcome = await applyPiece(session, parts, { columns, piece, pieces })
    if (outcome !== undefined) return outcome
  }
  return { outcome: 'committed' }
}

interface Piece {
  readonly columns: readonly string[]
  readonly piece: number
  readonly pieces: number
}

/** One transaction. An outcome ends the whole; otherwise the next piece follows. */
async function applyPiece(
  session: SqlSession,
  { dialect, control, options, committable, epoch }: ApplyParts,
  { columns, piece, pieces }: Piece,
): Promise<CommitOutcome | undefined> {
  const { checkpoint, stage } = committable
  const before = (await control.lock(session)) ?? { epoch: 0, checkpoint: 0, applying: 0, chunk: -1 }
  if (before.checkpoint >= checkpoint) return { outcome: 'already-committed' }
  if (before.epoch > epoch) throw fenced(epoch, before.epoch)
  const isBegun = before.applying === checkpoint && before.chunk >= 0
  if (!isBegun) {
    const there = await countStaged(session, dialect, committable)
    if (there !== committable.staged) {
      const reason = `${stage} has ${there} of the ${committable.staged} staged rows of checkpoint ${checkpoint}`
      return { outcome: 'lost', reason, expired: false }
    }
  }
  const isLast = piece === pieces - 1
  if (!isBegun || before.chunk < piece) {
    const statements = dialect.applyStage({
      ...{ stage: dialect.qualified(stage), table: dialect.qualified(options.table), columns },
      ...{ key: options.key, version: options.version, epoch: committable.epoch, checkpoint },
      chunk: pieces === 1 ? undefined : piece,
    })
    for (const sql of statements) await session.query(sql, `applying checkpoint ${checkpoint}`)
    const after: ControlRow = isLast
      ? { epoch, checkpoint, applying: 0, chunk: -1 }
      : { epoch, checkpoint: before.checkpoint, applying: checkpoint, chunk: piece }
    await control.note(session, after)
  }
  await dialect.commit(session)
  return undefined
}
