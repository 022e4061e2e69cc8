import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'

/** The rows in the visible NDJSON files of a directory, none where there is no directory yet. */
export function linesOf(directory: string): Record<string, unknown>[] {
  if (!existsSync(directory)) return []
  const names = readdirSync(directory).filter((name) => /^[^._].*\.ndjson$/.test(name))
  return names.flatMap((name) =>
    readFileSync(path.join(directory, name), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>),
  )
}

/** Seconds since 1970 of a timestamp without a zone, as a sink writes it. */
export function secondOf(text: unknown): number {
  return Date.parse(`${String(text).replace(' ', 'T')}Z`) / 1000
}
