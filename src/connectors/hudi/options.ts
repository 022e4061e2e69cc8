import { z } from 'zod'
import { integer, path, s3, size, type S3Options } from '../../core/options.ts'
import { parsePartitionColumn } from './partition-columns.ts'

/** The options of the sink `hudi`. */
export const hudiSinkOptions: z.ZodType<HudiSinkOptions> = z.strictObject({
  path: path()
    .describe('Directory or s3://bucket/prefix of the table; made if it is missing.')
    .meta({ examples: ['./lake/clicks', 's3://lake/clicks'] }),
  table: z
    .string()
    .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'must be a letter or underscore, then letters, digits and underscores')
    .describe('Name of the table, as query engines see it.'),
  database: z
    .string()
    .regex(/^[A-Za-z0-9_]*$/, 'must be letters, digits and underscores')
    .default('')
    .describe('Database of the table, for engines that use one.'),
  partitionBy: z
    .array(
      z
        .string()
        .refine(
          (text) => parsePartitionColumn(text) !== undefined,
          'must be a column, or an expression with a name: `… AS dt`',
        ),
    )
    .default([])
    .describe(
      'Columns whose values make the directories, outermost first; or row-wise SQL expressions with a name, whose text becomes a further column of the table.',
    )
    .meta({ examples: [["strftime(ts, '%Y-%m-%d') AS dt"], ['dt', 'country']] }),
  hiveStyle: z
    .boolean()
    .default(true)
    .describe('Directories of a new table are called `dt=2026-11-21` instead of `2026-11-21`.'),
  targetFileSize: size({ minBytes: 64 * 1024 })
    .default(128 * 1024 * 1024)
    .describe('A data file that has reached this size is ended and the next one begun.'),
  mergeSmallFiles: z
    .boolean()
    .default(true)
    .describe('Files below half of `targetFileSize` are merged into large ones, beside the load.'),
  mergeBytesPerSecond: size({ minBytes: 64 * 1024 })
    .default(32 * 1024 * 1024)
    .describe('How fast small files are read at most when they are merged.'),
  retainedCommits: integer({ min: 1, max: 100_000 })
    .default(120)
    .describe('Files that a merge replaced stay for so many commits, for queries that still read them.'),
  timelineCommits: integer({ min: 10, max: 1_000_000 })
    .default(1000)
    .describe(
      'So many commits stay on the active timeline, for incremental queries and time travel; older ones are archived.',
    ),
  repartition: z
    .enum(['auto', 'by-partition', 'none'])
    .default('auto')
    .describe(
      'With several lanes: bring the rows of a partition together in one lane, so that a checkpoint writes few large files. A partition with too many rows for a lane is scattered. `auto` leaves partitions alone whose files are large in every lane.',
    ),
  compression: z.enum(['snappy', 'zstd']).default('snappy').describe('Codec of the Parquet files.'),
  schemaChange: z
    .enum(['fail', 'evolve'])
    .default('fail')
    .describe(
      'When the rows have columns that the table lacks: refuse to start, or add them (older rows have null there).',
    ),
  s3: s3().optional(),
})

export interface HudiSinkOptions {
  readonly path: string
  readonly table: string
  readonly database: string
  readonly partitionBy: readonly string[]
  readonly hiveStyle: boolean
  /** Bytes. */
  readonly targetFileSize: number
  readonly mergeSmallFiles: boolean
  /** Bytes. */
  readonly mergeBytesPerSecond: number
  readonly retainedCommits: number
  readonly timelineCommits: number
  readonly repartition: 'auto' | 'by-partition' | 'none'
  readonly compression: 'snappy' | 'zstd'
  readonly schemaChange: 'fail' | 'evolve'
  readonly s3?: S3Options | undefined
}
