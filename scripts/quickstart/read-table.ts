import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'

/** What a reader of the table sees: the files that its completed commits name. */
export interface VisibleTable {
  readonly commits: number
  readonly rows: number
  /** Absolute paths of the files that exist. */
  readonly files: readonly string[]
  /** Files that a commit names and that are not there, below the table. */
  readonly missing: readonly string[]
}

interface CommitFile {
  readonly partitionToWriteStats: Readonly<
    Record<string, readonly { readonly path: string; readonly numWrites: number }[]>
  >
}

/**
 * Reads the timeline by the table format's specification, on purpose without a line of the sink that wrote it. Only a
 * completed commit (`<instant>.commit`) counts: what a killed process left behind is named by none.
 */
export function readTable(table: string): VisibleTable {
  const timeline = path.join(table, '.hoodie')
  const commits = existsSync(timeline) ? readdirSync(timeline).filter((name) => /^\d+\.commit$/.test(name)) : []
  const stats = commits.flatMap((name) => {
    const commit = JSON.parse(readFileSync(path.join(timeline, name), 'utf8')) as CommitFile
    return Object.values(commit.partitionToWriteStats).flat()
  })
  const isThere = (stat: { readonly path: string }): boolean => existsSync(path.join(table, stat.path))
  return {
    commits: commits.length,
    rows: stats.reduce((sum, { numWrites }) => sum + numWrites, 0),
    files: stats.filter(isThere).map((stat) => path.join(table, stat.path)),
    missing: stats.filter((stat) => !isThere(stat)).map((stat) => stat.path),
  }
}
