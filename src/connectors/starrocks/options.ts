import { z } from 'zod'
import { duration, identifier, size } from '../../core/options.ts'
import { loadSinkOptions, type LoadSinkOptions } from '../../clients/stream-load/loader/load-options.ts'

/** Headers that belong to the protocol or to other options. */
const RESERVED = [
  'label',
  'db',
  'table',
  'format',
  'timeout',
  'strict_mode',
  'max_filter_ratio',
  'strip_outer_array',
  'columns',
  'where',
  'column_separator',
  'row_delimiter',
  'compression',
  'transaction_type',
]

/** The options of the sink `starrocks`. */
export type StarRocksSinkOptions = LoadSinkOptions<'none' | 'gzip' | 'zstd'>

export const starrocksSinkOptions: z.ZodType<StarRocksSinkOptions> = loadSinkOptions(
  {
    username: identifier().default('root').describe('StarRocks user with the right to load into the table.'),
    compression: z
      .enum(['none', 'gzip', 'zstd'])
      .default('none')
      .describe('Compression of bodies. JSON needs StarRocks 3.2.7 or later.'),
    loadBytesMax: size({ minBytes: 1024, maxBytes: 100 * 1024 * 1024 })
      .default(32 * 1024 * 1024)
      .describe('A load is closed at this size; the next one follows in the same transaction.'),
    key: z
      .array(identifier())
      .optional()
      .describe('Key columns of a primary-key table. Rows may carry `__op` (0 upsert, 1 delete).'),
    serverPreparedTimeout: duration()
      .default(86_400_000)
      .describe(
        'What the FE grants prepared transactions when it does not read the header prepared_timeout (before 3.5.4).',
      ),
    serverLabelKeep: duration().default(259_200_000).describe('label_keep_max_second of the FE.'),
  },
  { reserved: RESERVED, examples: 'merge_condition or partial_update' },
)
