import { loadConnector } from '../../connectors/registry.ts'
import { fileSourceOptions, formatOf, type CsvDialect } from '../../connectors/file/options.ts'
import { assert } from '../../core/assert.ts'
import type { JsonObject } from '../../core/json.ts'
import type { SourceStep } from '../../plan/plan.ts'
import type { MadeRows } from './make-rows.ts'

/** How the rows that stand for a source's are written: as the source itself has them. */
export interface RowEncoding {
  readonly extension: 'ndjson' | 'csv'
  /** The option `format` of the source `file`. */
  readonly format: string | JsonObject
  write(rows: MadeRows): string
}

export async function rowEncodingOf(step: SourceStep): Promise<RowEncoding> {
  if (step.format !== 'csv') return { extension: 'ndjson', format: 'json', write: jsonLines }
  const dialect = await csvDialect(step)
  return { extension: 'csv', format: { ...dialect, type: 'csv' }, write: (rows) => csvLines(rows, dialect) }
}

/** The dialect of a file is its own; topics have the one that is told to those who read their dead letters again. */
async function csvDialect({ connector, options }: SourceStep): Promise<CsvDialect> {
  const source = (await loadConnector(connector))?.source
  const redrive = connector === 'file' ? undefined : await source?.openRedrive?.(source.options.parse(options), '/')
  const like = redrive === undefined ? options : { path: '*', format: redrive.format }
  const format = formatOf(fileSourceOptions.parse(like))
  assert(format?.kind === 'csv', 'the plan knows the format')
  return format.dialect
}

function jsonLines({ columns, rows }: MadeRows): string {
  const keys = columns.map((name) => JSON.stringify(name))
  return rows.map((row) => `{${row.map((cell, at) => `${keys[at]}:${cell}`).join(',')}}\n`).join('')
}

function csvLines({ columns, rows }: MadeRows, { delimiter, quote, header, null: nullText }: CsvDialect): string {
  const quoted = (text: string): string => {
    // Without quotes a field cannot hold everything.
    if (quote === '') return text.replaceAll(delimiter, '_')
    const isPlain = !text.includes(delimiter) && !text.includes(quote) && text !== nullText
    return isPlain ? text : quote + text.replaceAll(quote, quote + quote) + quote
  }
  const field = (cell: string): string => {
    if (cell === 'null') return nullText
    return quoted(cell.startsWith('"') ? (JSON.parse(cell) as string) : cell)
  }
  const line = (fields: readonly string[]): string => `${fields.join(delimiter)}\n`
  return (header ? line(columns.map(quoted)) : '') + rows.map((row) => line(row.map(field))).join('')
}
