import type { BinlogStream } from '../../clients/mysql-replication/index.ts'
import type { MysqlCdcOptions } from './options.ts'

const NOTHING = Buffer.alloc(0)

/** What stands behind the columns of a row of the log, as `metadata` asks for it: one text for all rows of an event. */
export class ChangeExtras {
  /** Columns of ours. */
  readonly names: ReadonlySet<string>
  inserted: Buffer = NOTHING
  updated: Buffer = NOTHING
  deleted: Buffer = NOTHING
  readonly #metadata: MysqlCdcOptions['metadata']

  constructor(metadata: MysqlCdcOptions['metadata']) {
    this.#metadata = metadata
    this.names = new Set(metadata.map((name) => `_${name}`))
  }

  /** An event whose rows are next. */
  event(stream: BinlogStream): void {
    if (this.#metadata.length === 0) return
    const rest = this.#rest(stream)
    this.inserted = this.#with('c', rest)
    this.updated = this.#with('u', rest)
    this.deleted = this.#with('d', rest)
  }

  #with(op: string, rest: string): Buffer {
    return Buffer.from(`${this.#metadata.includes('op') ? `,"_op":"${op}"` : ''}${rest}`)
  }

  #rest({ at, committedMicros }: BinlogStream): string {
    const position = `,"_position":"${logOrder(at)}"`
    const timestamp = `,"_timestamp":"${momentText(committedMicros)}"`
    const has = (name: 'position' | 'timestamp'): boolean => this.#metadata.includes(name)
    return `${has('position') ? position : ''}${has('timestamp') ? timestamp : ''}`
  }
}

/** Number of the file and place in it, with zeros in front: as texts they have the order of the log. */
function logOrder({ file, position }: { readonly file: string; readonly position: number }): string {
  const number = /\d+$/.exec(file)?.[0] ?? '0'
  return `${number.padStart(10, '0')}:${String(position).padStart(12, '0')}`
}

function momentText(micros: number): string {
  const seconds = Math.floor(micros / 1e6)
  const fraction = String(Math.round(micros - seconds * 1e6)).padStart(6, '0')
  return `${new Date(seconds * 1000).toISOString().slice(0, 19).replace('T', ' ')}.${fraction}`
}
