import type { BodyFormat } from '../../core/batch.ts'
import type { Finding } from '../../core/checkpoint-types.ts'
import type { Connector, SinkConnector } from '../../core/connector.ts'
import { filesSinkOptions, layoutOf, type FilesSinkOptions } from './options.ts'

const JSON_LINES: BodyFormat = { kind: 'bytes', format: 'json', separator: 0x0a }

const sink: SinkConnector<FilesSinkOptions> = {
  options: filesSinkOptions,
  describe: (options) => ({
    delivery: {
      class: 'exact',
      reason: 'each file appears whole and once; the files of a checkpoint appear one after the other',
      assumptions: [],
      stronger: 'a table as target: one commit shows a whole checkpoint',
    },
    takes: layoutKind(options) === 'json' ? [JSON_LINES] : [{ kind: 'table' }],
    writers: 'lanes',
    findings: [...findingsOf(options)],
  }),
  create: async (options) => {
    const { FilesSink } = await import('./sink.ts')
    return new FilesSink(options)
  },
}

/** Files in a directory, each visible once its checkpoint is published. */
export const connector: Connector = {
  name: 'files',
  summary: 'Writes NDJSON, CSV or Parquet files into a directory or to S3, each row once.',
  sink,
}

function layoutKind(options: FilesSinkOptions): string {
  const layout = layoutOf(options)
  return typeof layout === 'string' ? layout : layout.kind
}

function* findingsOf(options: FilesSinkOptions): Iterable<Finding> {
  const layout = layoutOf(options)
  const refuse = (message: string, hint: string, key: string): Finding => {
    return { severity: 'error', code: 'CONFIG', message, hint, path: [key] }
  }
  if (typeof layout === 'string') yield refuse(layout, 'Change `compression`.', 'compression')
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(options.path) && !/^s3:\/\/[^/]/.test(options.path)) {
    yield refuse('the files sink writes to directories and to s3:// addresses', 'Correct `path`.', 'path')
  }
}
