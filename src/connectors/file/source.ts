import type { Batch } from '../../core/batch.ts'
import type { Finding } from '../../core/checkpoint-types.ts'
import type { LaneContext, PreflightContext, SourceContext } from '../../core/context.ts'
import { assert } from '../../core/assert.ts'
import type { Schema } from '../../core/schema.ts'
import type { Source, SplitAssignment, SplitEnumerator, SplitReader } from '../../core/source.ts'
import type { LaneDatabase } from '../../dataplane/index.ts'
import { BufferPool } from './buffer-pool.ts'
import type { CsvTables } from './csv-tables.ts'
import { FileEnumerator } from './enumerator.ts'
import { FileCursor, type CursorSettings } from './file-cursor.ts'
import { FileReader } from './file-reader.ts'
import type { FilePlace } from './file-place.ts'
import { isObjectPath } from './object-place.ts'
import { formatOf, type CsvDialect, type FileSourceOptions } from './options.ts'
import { ParquetCursor } from './parquet-cursor.ts'
import { placeOf } from './place-of.ts'

/** Reads files: each one, or each range of a large one, is a split. */
export class FileSource implements Source {
  readonly #options: FileSourceOptions

  constructor(options: FileSourceOptions) {
    this.#options = options
  }

  async check(context: PreflightContext): Promise<readonly Finding[]> {
    const { path, follow } = this.#options
    const files = await placeOf(this.#options, context).find()
    if (files.length > 0) return []
    return [
      {
        severity: follow ? 'warning' : 'error',
        code: 'CONFIG',
        message: `no file matches ${path}${isObjectPath(path) ? '' : ` in ${context.baseDirectory}`}`,
        hint: follow ? 'It will be read when it appears.' : 'Correct `path`, or set `follow: true` to wait for files.',
        path: ['sources', context.id, 'path'],
      },
    ]
  }

  enumerator(context: SourceContext): SplitEnumerator {
    return new FileEnumerator(this.#options, context, placeOf(this.#options, context))
  }

  reader(context: LaneContext): SplitReader {
    const format = formatOf(this.#options)
    assert(format !== undefined, 'the plan refuses a file source without a format')
    const place = placeOf(this.#options, context)
    // What cannot grow ends where it ends, also when more files are waited for.
    const follow = this.#options.follow && place.canGrow
    const { clock } = context
    switch (format.kind) {
      case 'parquet': {
        const settings = {
          place,
          database: () => databaseOf(context),
          schema: schemaOf(context),
          reads: context.reads,
          metadata: context.metadata,
        }
        return new FileReader({ open: (split) => new ParquetCursor(split, settings), follow, clock })
      }
      case 'csv': {
        const tables = new CsvDecoder(context, format.dialect)
        const { takesBroken = false } = context
        const text = textSettings(context, place, follow)
        const settings = { ...text, format, separator: 0x0a, takesBroken, decode: tables.decode }
        // Errors name the byte of their record, so every record's is needed.
        const metadata = { file: false, offset: true }
        const open = (split: SplitAssignment): FileCursor => new FileCursor(split, { ...settings, metadata })
        return new FileReader({ open, follow, clock, close: tables.close })
      }
      case 'json':
      case 'raw': {
        assert(context.format.kind === 'bytes', 'lines are read as bytes')
        const { takesBroken = false } = context
        const { separator } = context.format
        const settings = { ...textSettings(context, place, follow), format, separator, takesBroken }
        return new FileReader({ open: (split) => new FileCursor(split, settings), follow, clock })
      }
    }
  }
}

function textSettings(
  context: LaneContext,
  place: FilePlace,
  follow: boolean,
): Omit<CursorSettings, 'format' | 'separator'> {
  return {
    place,
    follow,
    metadata: { file: context.metadata.includes('_file'), offset: context.metadata.includes('_offset') },
    columns: context.schema?.map((column) => column.name),
    pool: new BufferPool(),
  }
}

/** Opens the decoder of a lane with the first batch. */
class CsvDecoder {
  readonly #open: () => Promise<CsvTables>
  #tables: Promise<CsvTables> | undefined

  constructor(context: LaneContext, dialect: CsvDialect) {
    this.#open = async () => {
      const { CsvTables } = await import('./csv-tables.ts')
      const database = await databaseOf(context)
      const { takesBroken = false, keepsRaw = false } = context
      return await CsvTables.open(database, schemaOf(context), dialect, context.metadata, { takesBroken, keepsRaw })
    }
  }

  readonly decode = async (batch: Batch, path: string): Promise<Batch> => {
    const tables = await (this.#tables ??= this.#open())
    return await tables.decode(batch, path)
  }

  readonly close = async (): Promise<void> => {
    // A decoder that could not be opened has nothing to close.
    const tables = await this.#tables?.catch(() => undefined)
    tables?.close()
  }
}

function schemaOf(context: LaneContext): Schema {
  assert(context.schema !== undefined, 'the plan knows the schema of files that are decoded')
  return context.schema
}

/** The lane's database is the data plane's; core hands it on without knowing it. */
async function databaseOf(context: LaneContext): Promise<LaneDatabase> {
  return (await context.database()) as LaneDatabase
}
