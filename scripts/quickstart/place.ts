import { existsSync, mkdirSync, readdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { QuickstartError } from './quickstart-error.ts'

/** Where everything of the quickstart lies. Only what is named here is ever removed. */
export interface Place {
  readonly directory: string
  readonly logs: string
  readonly pipeline: string
  readonly table: string
  readonly state: string
}

const MARKER = '.millrace-quickstart'

export function placeIn(directory: string): Place {
  const at = (name: string): string => path.join(directory, name)
  return { directory, logs: at('logs'), pipeline: at('flights.yaml'), table: at('table'), state: at('state') }
}

/** Makes the directory. One that holds something else is refused, because later runs clear parts of it. */
export function openPlace(place: Place): void {
  mkdirSync(place.directory, { recursive: true })
  const marker = path.join(place.directory, MARKER)
  if (existsSync(marker)) return
  if (readdirSync(place.directory).length > 0) {
    throw new QuickstartError(`${place.directory} holds other files`, 'Name an empty directory with --directory.')
  }
  writeFileSync(marker, 'This directory was made by the quickstart of Millrace, which clears it when it runs again.\n')
}

/** Table and checkpoint log go together: a log without its table would speak of commits that are nowhere. */
export function clearResults(place: Place): void {
  rmSync(place.table, { recursive: true, force: true })
  rmSync(place.state, { recursive: true, force: true })
}

/** Logs take 92 bytes a row, the table with what kills leave behind at most half of that. */
const BYTES_PER_ROW = 150
const BYTES_BESIDES = 50_000_000

export function requireSpace(place: Place, rows: number): void {
  const { bavail, bsize } = statfsSync(place.directory)
  const wanted = rows * BYTES_PER_ROW + BYTES_BESIDES
  if (bavail * bsize >= wanted) return
  const megabytes = (bytes: number): string => `${Math.round(bytes / 1e6)} MB`
  throw new QuickstartError(
    `${place.directory} has ${megabytes(bavail * bsize)} of free disk space, the quickstart wants ${megabytes(wanted)}`,
    'Free some, name another place with `npm start -- --directory <path>`, or take fewer rows with `-- --rows 200000`.',
  )
}
