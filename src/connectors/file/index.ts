import type { BodyFormat } from '../../core/batch.ts'
import type { Finding } from '../../core/checkpoint-types.ts'
import type { Connector, SourceConnector, SourceDescription } from '../../core/connector.ts'
import type { Delivery } from '../../core/delivery.ts'
import { fileSourceOptions, formatOf, type FileSourceOptions } from './options.ts'

const source: SourceConnector<FileSourceOptions> = {
  options: fileSourceOptions,
  describe,
  discoverSchema: async (options, baseDirectory, openStore) => {
    if (formatOf(options)?.kind !== 'parquet') return undefined
    const { parquetSchema } = await import('./parquet-schema.ts')
    const { placeOf } = await import('./place-of.ts')
    return parquetSchema(placeOf(options, { baseDirectory, openStore }))
  },
  openRedrive: (options) => {
    const format = formatOf(options)
    // Rows of Parquet are put aside as JSON. A single record of CSV has no header.
    const csv = format?.kind === 'csv' && { ...format.dialect, type: 'csv', header: false }
    return Promise.resolve({ format: csv || (format?.kind === 'raw' ? 'raw' : 'json') })
  },
  create: async (options) => {
    const { FileSource } = await import('./source.ts')
    return new FileSource(options)
  },
}

/** Files of records: a file, a directory or a glob. */
export const connector: Connector = {
  name: 'file',
  summary: 'Reads NDJSON, CSV, Parquet and text files, from disk or S3, plain or compressed, once or as they come.',
  source,
}

function describe(options: FileSourceOptions): SourceDescription {
  const format = formatOf(options)
  const gives: readonly BodyFormat['kind'][] = format?.kind === 'json' || format?.kind === 'raw' ? ['bytes'] : ['table']
  return {
    delivery: deliveryOf(options),
    bounded: !options.follow,
    gives,
    format: format?.kind ?? 'raw',
    metadata: [
      { name: '_file', type: 'varchar', nullable: false },
      { name: '_offset', type: 'bigint', nullable: false },
    ],
    ...(format?.kind === 'csv' && { setsAside: true }),
    findings: [...findingsOf(options)],
  }
}

function deliveryOf(options: FileSourceOptions): Delivery {
  if (!options.follow) {
    return {
      class: 'atomic',
      reason: 'files are read again from any position, and a file that changed after it was listed is refused',
      assumptions: [],
    }
  }
  if (options.path.startsWith('s3')) {
    const reason = 'objects are read again from any position; one that is replaced is refused'
    return { class: 'atomic', reason, assumptions: [] }
  }
  return {
    class: 'atomic',
    reason: 'files are read again from any position; a truncated, replaced or renamed file is refused',
    assumptions: ['append-only-files'],
    stronger: 'follow: false (files that are complete)',
  }
}

function* findingsOf(options: FileSourceOptions): Iterable<Finding> {
  const refuse = (message: string, hint: string, key: string): Finding => {
    return { severity: 'error', code: 'CONFIG', message, hint, path: [key] }
  }
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(options.path) && !/^s3[an]?:\/\/[^/]/.test(options.path)) {
    yield refuse(
      'the file source reads files of this machine and of object storage',
      'Give a path, or an address such as s3://bucket/prefix/*.parquet.',
      'path',
    )
  }
  const format = formatOf(options)
  if (format === undefined) {
    yield refuse(
      `the format of ${options.path} cannot be told by its extension`,
      'Set `format` to json, csv, parquet or raw.',
      'format',
    )
  }
  if (format?.kind === 'csv') {
    if (!isDelimiter(format.dialect.delimiter)) {
      yield refuse('`delimiter` has to be an ASCII character, no quote and no line end', 'Correct it.', 'format')
    }
  }
}

function isDelimiter(character: string): boolean {
  return character.charCodeAt(0) < 0x80 && !'"\r\n\0'.includes(character)
}
