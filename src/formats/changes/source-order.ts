import type { JsonObject } from '../../core/json.ts'

/** A place in a log of the source: number of the file (0 where there is one) and position in it. */
export type LogPlace = readonly [file: bigint, position: bigint]

/** The newest place of each log that was met: what comes again from before it was met already. */
export class SourceOrder {
  readonly #newest: Map<string, LogPlace>

  constructor(newest: ReadonlyMap<string, LogPlace>) {
    this.#newest = new Map(newest)
  }

  /**
   * True for a place before the newest one of its log. The newest itself may hold several changes (rows of one event, a
   * compressed transaction), so that it is never old.
   */
  isOld(log: string, place: LogPlace): boolean {
    const newest = this.#newest.get(log)
    if (newest !== undefined && isBefore(place, newest)) return true
    this.#newest.set(log, place)
    return false
  }

  get newest(): ReadonlyMap<string, LogPlace> {
    return this.#newest
  }
}

function isBefore([file, position]: LogPlace, [otherFile, otherPosition]: LogPlace): boolean {
  return file === otherFile ? position < otherPosition : file < otherFile
}

export function placesToJson(newest: ReadonlyMap<string, LogPlace>): JsonObject {
  return Object.fromEntries([...newest].map(([log, [file, position]]) => [log, `${file}:${position}`]))
}

export function placesFromJson(json: unknown): Map<string, LogPlace> {
  if (typeof json !== 'object' || json === null) return new Map()
  return new Map(
    Object.entries(json).map(([log, place]) => {
      const [file = '0', position = '0'] = String(place).split(':')
      return [log, [BigInt(file), BigInt(position)]]
    }),
  )
}
