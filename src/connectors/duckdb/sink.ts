import { access, constants, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import type { Finding } from '../../core/checkpoint-types.ts'
import type { CoordinatorContext, LaneContext, PreflightContext } from '../../core/context.ts'
import { toMillraceError } from '../../core/errors.ts'
import type { Sink, SinkCoordinator, SinkWriter } from '../../core/sink.ts'
import { DuckdbCoordinator } from './coordinator.ts'
import { DatabaseFile } from './database-file.ts'
import type { DuckdbSinkOptions } from './options.ts'
import { assertFits, describeTable } from './target-table.ts'
import { DuckdbWriter } from './writer.ts'

/** Fills a table of a local DuckDB database, a whole checkpoint at a time. */
export class DuckdbSink implements Sink {
  readonly #options: DuckdbSinkOptions

  constructor(options: DuckdbSinkOptions) {
    this.#options = options
  }

  async check(context: PreflightContext): Promise<readonly Finding[]> {
    const path = resolve(context.baseDirectory, this.#options.path)
    const isThere = await stat(path).then(
      (found) => found.isFile(),
      () => undefined,
    )
    if (isThere === undefined) return await this.#checkFolder(context, dirname(path))
    const file = new DatabaseFile(path)
    try {
      await file.transaction('looking at the table', async (run) => {
        const found = await describeTable(run, this.#options.table)
        if (found.columns.size > 0 && context.schema !== undefined) assertFits(found, context.schema, this.#options)
      })
      return []
    } catch (thrown) {
      const { code, message, remedy } = toMillraceError(thrown)
      return [{ severity: 'error', code, message, hint: remedy, path: ['sinks', context.id, 'path'] }]
    }
  }

  writer(context: LaneContext): SinkWriter {
    return new DuckdbWriter(resolve(context.baseDirectory, this.#options.path), context)
  }

  coordinator(context: CoordinatorContext): SinkCoordinator {
    return new DuckdbCoordinator(
      this.#options,
      new DatabaseFile(resolve(context.baseDirectory, this.#options.path)),
      context,
    )
  }

  /** The database and its folder are made by the first start, if the one above may be written. */
  async #checkFolder(context: PreflightContext, folder: string): Promise<readonly Finding[]> {
    for (let place = folder; ; place = dirname(place)) {
      try {
        await access(place, constants.W_OK | constants.X_OK)
        return []
      } catch (thrown) {
        const isMissing = thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT'
        if (isMissing && place !== dirname(place)) continue
        const message = `${place} cannot be written`
        const hint = 'Give a path that this user may write to.'
        return [{ severity: 'error', code: 'PREFLIGHT', message, hint, path: ['sinks', context.id, 'path'] }]
      }
    }
  }
}
