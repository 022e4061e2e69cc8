/**
 * Every code that Millrace reports, with what happened and what to do. `docs/errors.md` is generated from this table.
 *
 * The exit codes are a stable API (docs/guarantees.md): supervisors decide by them. Codes 67–69, 73 and 74 need an
 * operator's decision before the job may start again.
 */
export interface ErrorCodeEntry {
  /** Process exit code when an error of this code ends the process. */
  readonly exit: number
  /** What happened, in a sentence. */
  readonly meaning: string
  /** What to do next, in a sentence. */
  readonly remedy: string
}

export type ErrorCode =
  | 'CONFIG'
  | 'PREFLIGHT'
  | 'FENCED'
  | 'PREPARED_LOST'
  | 'PREPARED_EXPIRED'
  | 'OUTCOME_UNKNOWN'
  | 'POSITION_LOST'
  | 'POSITION_AHEAD'
  | 'STORE_IO'
  | 'STORE_CORRUPT'
  | 'POISON'
  | 'DECODE'
  | 'SCHEMA'
  | 'ACCOUNTING'
  | 'SINK_WENT_BACK'
  | 'AUTH'
  | 'REDIRECT_DENIED'
  | 'MISMATCH'
  | 'UNAVAILABLE'
  | 'INTERRUPTED'
  | 'MEMORY'
  | 'INTERNAL'

export const ERROR_CODES: Readonly<Record<ErrorCode, ErrorCodeEntry>> = {
  CONFIG: {
    exit: 64,
    meaning: 'The pipeline file, an option or a plan was refused.',
    remedy: 'Mend what the findings name; `millrace check` shows all of them at once.',
  },
  PREFLIGHT: {
    exit: 65,
    meaning: 'A system cannot hold what the guarantee needs: a timeout, a retention or a limit is too small.',
    remedy: 'Raise the named setting or lower `checkpoint.maxDowntime` or `checkpoint.interval`.',
  },
  FENCED: {
    exit: 66,
    meaning: 'Another instance of this pipeline claimed a newer run epoch; this one may not publish any more.',
    remedy: 'Nothing, if the other instance is wanted. Otherwise stop it and start this one again.',
  },
  PREPARED_LOST: {
    exit: 67,
    meaning: 'A transaction of a published checkpoint was rolled back by somebody else before it was committed.',
    remedy: 'See the report, then `millrace decide`: rewind, mark-committed or accept-loss.',
  },
  PREPARED_EXPIRED: {
    exit: 67,
    meaning: 'A transaction of a published checkpoint ran into the server’s time limit before it was committed.',
    remedy: 'See the report, then `millrace decide`: rewind, mark-committed or accept-loss.',
  },
  OUTCOME_UNKNOWN: {
    exit: 68,
    meaning:
      'Nobody can tell any more what was committed: the server has forgotten a label, or the checkpoint log of a pipeline is gone whose work is in the sink.',
    remedy:
      'Look at the table, then `millrace decide`: mark-committed, rewind or accept-loss. If the log is gone: put the state directory back, or begin anew under another `name`.',
  },
  POSITION_LOST: {
    exit: 69,
    meaning: 'The source no longer has the records that follow the checkpoint.',
    remedy: 'Restore the data in the source, or decide where to go on with `millrace decide`.',
  },
  POSITION_AHEAD: {
    exit: 69,
    meaning:
      'The checkpoint’s position lies behind the end of the source: it was truncated, re-created or failed over.',
    remedy: 'Find out what happened to the source, then decide where to go on with `millrace decide`.',
  },
  STORE_IO: {
    exit: 70,
    meaning: 'The checkpoint store could not be read or written.',
    remedy: 'Free space or repair the disk, then start again: the last published checkpoint is untouched.',
  },
  STORE_CORRUPT: {
    exit: 70,
    meaning: 'An entry of the checkpoint log is damaged.',
    remedy: 'Restore the state directory from a copy; nothing was changed in the sinks.',
  },
  POISON: {
    exit: 71,
    meaning: 'A record cannot be written: it is malformed or a value does not fit its column.',
    remedy:
      'Correct the record at its source. Values that do not fit: declare the column varchar, and convert or filter in SQL (TRY_CAST).',
  },
  DECODE: {
    exit: 71,
    meaning: 'Bytes from a source are damaged: a checksum or a length does not match.',
    remedy: 'Check the source’s storage; the position is in the message.',
  },
  SCHEMA: {
    exit: 72,
    meaning: 'The shape of a source or sink changed or does not match the pipeline.',
    remedy: 'Change the pipeline’s schema or the table so that they agree again.',
  },
  ACCOUNTING: {
    exit: 73,
    meaning: 'The counts of a checkpoint do not add up: read is not written + filtered + dead-lettered.',
    remedy: 'Report it with the printed counts: nothing of this checkpoint is visible.',
  },
  SINK_WENT_BACK: {
    exit: 74,
    meaning: 'The sink shows an older state than we confirmed: it was restored from a copy or failed over.',
    remedy: 'Put the target forward again, or `millrace decide rewind`, which reads the missing checkpoint once more.',
  },
  AUTH: {
    exit: 75,
    meaning: 'A server refuses the credentials.',
    remedy: 'Correct the user name, password or grants; nothing is lost.',
  },
  REDIRECT_DENIED: {
    exit: 76,
    meaning: 'A server redirected a request to a host that is not allowed; nothing was sent there.',
    remedy: 'If the host is right, add it to `backends` of the sink.',
  },
  MISMATCH: {
    exit: 77,
    meaning: 'Source and sink were compared and differ.',
    remedy: 'See the listed ranges.',
  },
  UNAVAILABLE: {
    exit: 1,
    meaning: 'A server cannot be reached or is busy.',
    remedy: 'Nothing: Millrace tries again with growing pauses. `millrace check --connect` names the server.',
  },
  INTERRUPTED: {
    exit: 1,
    meaning: 'The process was told to end at once, before a final checkpoint.',
    remedy: 'Start again: it goes on from the last published checkpoint.',
  },
  MEMORY: {
    exit: 1,
    meaning: 'The process held more memory than `memoryLimit` allows.',
    remedy:
      'Look for SQL or functions that build large values; else raise `memoryLimit` or lower `parallelism`. Nothing is lost: the next start goes on from the last published checkpoint.',
  },
  INTERNAL: {
    exit: 1,
    meaning: 'A bug in Millrace. The state on disk is safe to start from again.',
    remedy: 'Start again, and report the message.',
  },
}

/** The process exit code that belongs to a code. */
export function exitCodeOf(code: ErrorCode): number {
  return ERROR_CODES[code].exit
}
