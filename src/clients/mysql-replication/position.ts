import { MillraceError } from '../../core/errors.ts'
import { GtidSet } from './gtid-set.ts'
import { MariadbPosition } from './mariadb-position.ts'

export type Flavour = 'mysql' | 'mariadb'

/** Where a server's log is read from: behind the transactions of `gtid`, or, without GTIDs, behind a place in a file. */
export interface BinlogPlace {
  readonly flavour: Flavour
  /** MySQL: the set of transactions that were read. MariaDB: the last one of each domain. Undefined: by file only. */
  readonly gtid: string | undefined
  readonly file: string
  readonly position: number
}

/** The place behind the last transaction that was read to its end, as it moves on. */
export class ReadTransactions {
  readonly flavour: Flavour
  readonly #set: GtidSet | undefined
  readonly #domains: MariadbPosition | undefined
  #file: string
  #position: number
  #text: string | undefined

  constructor(place: BinlogPlace) {
    this.flavour = place.flavour
    this.#file = place.file
    this.#position = place.position
    if (place.gtid === undefined) return
    if (place.flavour === 'mysql') this.#set = GtidSet.parse(place.gtid)
    else this.#domains = MariadbPosition.parse(place.gtid)
  }

  addMysql(origin: string, number: bigint): void {
    this.#set?.add(origin, number)
    this.#text = undefined
  }

  addMariadb(domain: number, server: number, sequence: bigint): void {
    this.#domains?.set(domain, server, sequence)
    this.#text = undefined
  }

  moveTo(file: string, position: number): void {
    this.#file = file
    this.#position = position
  }

  encode(): Buffer | undefined {
    return this.#set?.encode()
  }

  get place(): BinlogPlace {
    this.#text ??= this.#set?.toString() ?? this.#domains?.toString()
    return { flavour: this.flavour, gtid: this.#text, file: this.#file, position: this.#position }
  }
}

/** Numbers of files compare as numbers: `.999999` comes before `.1000000`. */
export function fileNumber(file: string): number {
  const match = /\.(\d+)$/.exec(file)
  if (match === null) throw new MillraceError(`the binlog file ${file} has no number`, { code: 'DECODE' })
  return Number(match[1])
}

/** Whether a place of one server's log has been passed, or reached. */
export function hasReached(
  at: { file: string; position: number },
  wanted: { file: string; position: number },
): boolean {
  if (at.file === '') return false
  const own = fileNumber(at.file)
  const other = fileNumber(wanted.file)
  return own === other ? at.position >= wanted.position : own > other
}
