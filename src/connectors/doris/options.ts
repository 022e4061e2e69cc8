import { z } from 'zod'
import { duration, identifier, size } from '../../core/options.ts'
import { loadSinkOptions, type LoadSinkOptions } from '../../clients/stream-load/loader/load-options.ts'

/** Headers that belong to the protocol or to other options. */
const RESERVED = [
  'label',
  'two_phase_commit',
  'format',
  'timeout',
  'strict_mode',
  'max_filter_ratio',
  'strip_outer_array',
  'read_json_by_line',
  'columns',
  'where',
  'column_separator',
  'line_delimiter',
  'compress_type',
  'merge_type',
]

/** The options of the sink `doris`. */
export type DorisSinkOptions = LoadSinkOptions<'none' | 'gzip'>

export const dorisSinkOptions: z.ZodType<DorisSinkOptions> = loadSinkOptions(
  {
    username: identifier().default('root').describe('Doris user with the right to load into the table.'),
    compression: z
      .enum(['none', 'gzip'])
      .default('none')
      .describe('Compression of bodies. Older versions of Doris take it for CSV only.'),
    loadBytesMax: size({ minBytes: 1024, maxBytes: 10 * 1024 ** 3 })
      .default(1024 ** 3)
      .describe('A load is closed at this size; the next one is a transaction of its own, committed together with it.'),
    key: z
      .array(identifier())
      .optional()
      .describe('Key columns of a unique-key table. Rows may carry `__DORIS_DELETE_SIGN__` (0 upsert, 1 delete).'),
    serverPreparedTimeout: duration()
      .default(3_600_000)
      .describe(
        'stream_load_default_precommit_timeout_second of the FE: how long it keeps a transaction that waits for its commit.',
      ),
    serverLabelKeep: duration().default(43_200_000).describe('streaming_label_keep_max_second of the FE.'),
  },
  { reserved: RESERVED, examples: 'function_column.sequence_col or partial_columns' },
)
