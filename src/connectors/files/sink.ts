import { access, constants, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { assert } from '../../core/assert.ts'
import type { Finding } from '../../core/checkpoint-types.ts'
import type { ConnectorContext, CoordinatorContext, LaneContext, PreflightContext } from '../../core/context.ts'
import type { Sink, SinkCoordinator, SinkWriter } from '../../core/sink.ts'
import type { LaneDatabase } from '../../dataplane/index.ts'
import { FilesCoordinator } from './coordinator.ts'
import { checkStore } from './check-store.ts'
import { DiskFiles } from './disk-files.ts'
import type { FileEncoder } from './encoder.ts'
import type { FilesPlace } from './files-place.ts'
import { JsonEncoder } from './json-encoder.ts'
import { layoutOf, type FilesLayout, type FilesSinkOptions } from './options.ts'
import { systemCodeOf } from './staging.ts'
import { StoredFiles } from './stored-files.ts'
import { FilesWriter } from './writer.ts'

/** Writes files that appear whole, each once, when their checkpoint is published. */
export class FilesSink implements Sink {
  readonly #options: FilesSinkOptions
  readonly #layout: FilesLayout

  constructor(options: FilesSinkOptions) {
    this.#options = options
    const layout = layoutOf(options)
    assert(typeof layout !== 'string', 'the plan refuses options that fit no file')
    this.#layout = layout
  }

  async check(context: PreflightContext): Promise<readonly Finding[]> {
    const { path, s3 } = this.#options
    // Conditional writes are proven with the first file.
    if (isAddress(path)) return await checkStore(await context.openStore(path, { s3 }), context.times)
    const root = resolve(context.baseDirectory, this.#options.path)
    const problem = await directoryProblem(root)
    if (problem === undefined) return []
    return [
      {
        severity: 'error',
        code: 'PREFLIGHT',
        message: `${root} ${problem}`,
        hint: 'Give a directory that this user may write to.',
        path: ['sinks', context.id, 'path'],
      },
    ]
  }

  writer(context: LaneContext): SinkWriter {
    const { rollBytes } = this.#options
    const openEncoder = (): Promise<FileEncoder> => this.#openEncoder(context)
    return new FilesWriter({ place: this.#place(context), layout: this.#layout, rollBytes, openEncoder }, context)
  }

  coordinator(context: CoordinatorContext): SinkCoordinator {
    return new FilesCoordinator(this.#place(context))
  }

  #place(context: ConnectorContext): FilesPlace {
    const { path, s3 } = this.#options
    if (!isAddress(path)) return new DiskFiles(resolve(context.baseDirectory, path), context)
    const root = path.replace(/\/+$/, '')
    return new StoredFiles(root, context, () => context.openStore(root, { s3 }))
  }

  async #openEncoder(context: LaneContext): Promise<FileEncoder> {
    const layout = this.#layout
    if (layout.kind === 'json') return new JsonEncoder(layout.compression)
    assert(context.schema !== undefined, 'the plan knows the schema of rows that are encoded')
    const { CsvEncoder, ParquetEncoder } = await import('./table-encoder.ts')
    // The lane's database is the data plane's; core hands it on without knowing it.
    const database = (await context.database()) as LaneDatabase
    return layout.kind === 'csv'
      ? await CsvEncoder.open(database, context.schema, layout.compression, layout.csv)
      : await ParquetEncoder.open(database, context.schema, layout.compression)
  }
}

function isAddress(path: string): boolean {
  return path.includes('://')
}

/** Looks only: a directory that is missing is made by the first file, if the one above it may be written. */
async function directoryProblem(root: string): Promise<string | undefined> {
  for (let path = root; ; path = dirname(path)) {
    try {
      if (!(await stat(path)).isDirectory())
        return path === root ? 'is no directory' : `lies below ${path}, which is no directory`
      await access(path, constants.W_OK | constants.X_OK)
      return undefined
    } catch (thrown) {
      const code = systemCodeOf(thrown)
      if (code !== 'ENOENT' || path === dirname(path)) return `cannot be written (${code ?? 'unknown error'})`
    }
  }
}
