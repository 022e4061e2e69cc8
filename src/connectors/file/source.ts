import type { Finding } from '../../core/checkpoint-types.ts'
import type { LaneContext, PreflightContext, SourceContext } from '../../core/context.ts'
import { assert } from '../../core/assert.ts'
import type { Source, SplitEnumerator, SplitReader } from '../../core/source.ts'
import { BufferPool } from './buffer-pool.ts'
import { FileEnumerator } from './enumerator.ts'
import { FileReader } from './file-reader.ts'
import { findFiles } from './find-files.ts'
import { formatOf, type FileSourceOptions } from './options.ts'

/** Reads files: each one, or each range of a large one, is a split. */
export class FileSource implements Source {
  readonly #options: FileSourceOptions

  constructor(options: FileSourceOptions) {
    this.#options = options
  }

  async check(context: PreflightContext): Promise<readonly Finding[]> {
    const { path, follow } = this.#options
    const files = await findFiles(path, context.baseDirectory)
    if (files.length > 0) return []
    return [
      {
        severity: follow ? 'warning' : 'error',
        code: 'CONFIG',
        message: `no file matches ${path} in ${context.baseDirectory}`,
        hint: follow ? 'It will be read when it appears.' : 'Correct `path`, or set `follow: true` to wait for files.',
        path: ['sources', context.id, 'path'],
      },
    ]
  }

  enumerator(context: SourceContext): SplitEnumerator {
    return new FileEnumerator(this.#options, context)
  }

  reader(context: LaneContext): SplitReader {
    const format = formatOf(this.#options)
    assert(format !== undefined, 'the plan refuses a file source without a format')
    assert(format.kind !== 'parquet' && context.format.kind === 'bytes', 'text formats are read as bytes')
    return new FileReader(
      {
        format,
        separator: context.format.separator,
        follow: this.#options.follow,
        metadata: { file: context.metadata.includes('_file'), offset: context.metadata.includes('_offset') },
        columns: context.schema?.map((column) => column.name),
        pool: new BufferPool(),
      },
      context.clock,
    )
  }
}
