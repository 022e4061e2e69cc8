import { assert } from '../../core/assert.ts'
import { MillraceError } from '../../core/errors.ts'
import { hash8, nameToken } from '../../core/name-token.ts'

/** StarRocks and Doris take up to 128 characters of `[-_A-Za-z0-9:]`; the colon is missing from older FEs. */
export const LABEL_BYTES_MAX = 128
const PREFIX_BYTES_MAX = 40

/** What makes a transaction of one writer and checkpoint unique, for ever. */
export interface LabelParts {
  /** Chosen by the user: `[A-Za-z0-9_-]`, 1 to 40 characters. */
  readonly prefix: string
  readonly jobUid: string
  readonly sink: string
  readonly table: string
  /** Index of the writer among the sink's writers. */
  readonly writer: number
  readonly epoch: number
  readonly checkpoint: number
  readonly attempt: number
  /** Index of the load where a checkpoint needs several labels (Doris). */
  readonly load?: number
}

/** A label taken apart. Names that were hashed stay hashed: compare with `isLabelOf`. */
export interface ParsedLabel {
  readonly prefix: string
  readonly jobHash: string
  readonly sinkToken: string
  readonly tableHash: string
  readonly writer: number
  readonly epoch: number
  readonly checkpoint: number
  readonly attempt: number
  readonly load?: number
}

/**
 * `<prefix>_<h8(jobUid)>_<sink>_<h8(table)>_<writer>_e<E>_c<n>_a<attempt>[_l<k>]`.
 *
 * Only the prefix may hold underscores, and everything after it has a known number of parts, so a label is read from its
 * right end and no two sets of parts give the same text (short of a hash collision).
 */
export function labelOf(parts: LabelParts): string {
  if (!/^[A-Za-z0-9_-]+$/.test(parts.prefix) || parts.prefix.length > PREFIX_BYTES_MAX) {
    throw new MillraceError(
      `label prefix ${JSON.stringify(parts.prefix)} must be 1 to ${PREFIX_BYTES_MAX} characters of A-Z a-z 0-9 _ -`,
      { code: 'CONFIG', retry: 'halt' },
    )
  }
  const label = textOf(parts, nameToken(parts.sink))
  const fitting = label.length <= LABEL_BYTES_MAX ? label : textOf(parts, hashedSink(parts.sink))
  assert(fitting.length <= LABEL_BYTES_MAX, `label ${fitting} fits into ${LABEL_BYTES_MAX} bytes`)
  return fitting
}

function textOf(parts: LabelParts, sink: string): string {
  const names = [parts.prefix, hash8(parts.jobUid), sink, hash8(parts.table), digits(parts.writer)]
  const numbers = [`e${digits(parts.epoch)}`, `c${digits(parts.checkpoint)}`, `a${digits(parts.attempt)}`]
  return [...names, ...numbers, ...(parts.load === undefined ? [] : [`l${digits(parts.load)}`])].join('_')
}

const LABEL =
  /^([A-Za-z0-9_-]{1,40})_([0-9a-z]{8})_([A-Za-z0-9-]{1,32})_([0-9a-z]{8})_(\d+)_e(\d+)_c(\d+)_a(\d+)(?:_l(\d+))?$/

/** Undefined for a label that `labelOf` did not make. */
export function parseLabel(label: string): ParsedLabel | undefined {
  const match = LABEL.exec(label)
  if (match === null || label.length > LABEL_BYTES_MAX) return undefined
  const [, prefix = '', jobHash = '', sink = '', tableHash = '', ...texts] = match
  const numbers = texts.map((text) => (text === undefined ? undefined : Number(text)))
  // `01` and numbers beyond 2^53 would not come back as the same text.
  if (numbers.some((number, index) => number !== undefined && String(number) !== texts[index])) return undefined
  const [writer = 0, epoch = 0, checkpoint = 0, attempt = 0, load] = numbers
  const numbered = { writer, epoch, checkpoint, attempt, ...(load === undefined ? {} : { load }) }
  return { prefix, jobHash, sinkToken: sink, tableHash, ...numbered }
}

/** Whether a parsed label was made for this prefix, job and sink. */
export function isLabelOf(label: ParsedLabel, of: Pick<LabelParts, 'prefix' | 'jobUid' | 'sink'>): boolean {
  const isSink = label.sinkToken === nameToken(of.sink) || label.sinkToken === hashedSink(of.sink)
  return label.prefix === of.prefix && label.jobHash === hash8(of.jobUid) && isSink
}

function hashedSink(sink: string): string {
  return `--${hash8(sink)}`
}

function digits(value: number): string {
  assert(Number.isSafeInteger(value) && value >= 0, `label numbers are whole and not negative: ${value}`)
  return String(value)
}
