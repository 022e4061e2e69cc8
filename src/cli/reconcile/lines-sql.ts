import { quoteText } from '../../dataplane/index.ts'

/** The rows of a `files` sink as lines; those of Parquet as rows. */
export function linesSql(files: readonly string[], withHeader: boolean): string {
  if (files.length === 0) return `SELECT '' AS line WHERE false`
  return (
    `SELECT line FROM read_csv(${listOf(files)}, columns = {line: 'VARCHAR'}, header = ${withHeader}, delim = '\\x02', ` +
    `quote = '', escape = '', auto_detect = false, max_line_size = 67108864)`
  )
}

export function listOf(files: readonly string[]): string {
  return `[${files.map(quoteText).join(', ')}]`
}
