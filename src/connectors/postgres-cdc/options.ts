import { z } from 'zod'
import { integer, identifier, secret, url } from '../../core/options.ts'
import type { Secret } from '../../core/secret.ts'
import { parsePgAddress, tableNameOf } from '../../clients/postgres-replication/index.ts'
import { isWantedBy } from './wanted-tables.ts'

const slotName = z.string().regex(/^[a-z0-9_]{1,63}$/, 'expected at most 63 lower-case letters, digits and underscores')

const options = z.strictObject({
  url: url(['postgres', 'postgresql'])
    .refine(isAddress, 'expected postgres://host:port/database, with ?sslmode=… if needed')
    .describe(
      'Server and database. `sslmode` is disable, prefer, require, verify-ca or verify-full; default: verify-full, on this machine prefer.',
    )
    .meta({ examples: ['postgres://db.example.com:5432/shop?sslmode=verify-full'] }),
  username: identifier().describe('User with the attribute REPLICATION and SELECT on the table.'),
  password: secret().describe('Password of the user.'),
  ca: z.string().optional().describe('PEM text of the authorities to trust instead of the system’s.'),
  table: identifier()
    .optional()
    .describe('Table to read, as `schema.table`; without a schema: of `public`. Either this or `tables`.')
    .meta({ examples: ['public.orders'] }),
  tables: z
    .array(z.string().min(1).refine(isPattern, 'expected a regular expression'))
    .min(1)
    .optional()
    .describe(
      'Tables to read into a sink with `routes`: regular expressions that have to match `schema.table` as a whole.',
    )
    .meta({ examples: ['public\\.(orders|items)'] }),
  paused: z
    .array(z.string().min(1).refine(isPattern, 'expected a regular expression'))
    .default([])
    .describe(
      'Regular expressions for `schema.table` names of `tables` whose changes wait in the log: they go on where they were when the name is taken out again. Meanwhile the slot keeps the server’s log.',
    )
    .meta({ examples: [['public\\.orders']] }),
  resync: z
    .record(z.string().regex(/^[^.]+\..+$/, 'expected schema.table'), z.string().min(1))
    .default({})
    .describe(
      'Tables (`schema.table`) to read again from their first row on, while the others go on: each with a text that names the occasion, since each occasion counts once.',
    )
    .meta({ examples: [{ 'public.orders': '2026-11-22' }] }),
  slot: slotName
    .optional()
    .describe('Replication slot, made at the first start. Default: `millrace_`, the pipeline and the source.'),
  publication: identifier(63)
    .optional()
    .describe('Publication, made at the first start where it is missing. Default: the name of the slot.'),
  start: z
    .enum(['initial', 'latest'])
    .default('initial')
    .describe('initial: the rows that are there, then every change. latest: changes from the first start on.'),
  end: z
    .enum(['never', 'latest', 'snapshot'])
    .default('never')
    .describe(
      'snapshot: ends when the rows are read that were there at the start. latest: ends when the changes are read, too, ' +
        'that were made until the log was begun.',
    ),
  changeColumns: z
    .array(z.enum(['_op', '_position', '_timestamp']))
    .default([])
    .describe(
      'Columns to add to the rows: `_op` (r snapshot, c insert, u update, d delete), `_position` (text that sorts in ' +
        'commit order) and `_timestamp` (commit time).',
    ),
  chunkRows: integer({ min: 100 })
    .default(500_000)
    .describe('Rows that one part of the initial read has, about. Parts are read by the lanes side by side.'),
  unchangedValues: z
    .enum(['reread', 'fail'])
    .default('reread')
    .describe(
      'Large values that an update did not touch are not in the log, unless the table has REPLICA IDENTITY FULL. ' +
        'reread: take them from the table as it is now; fail: end the job.',
    ),
  specialValues: z
    .enum(['fail', 'null'])
    .default('fail')
    .describe('What becomes of NaN, infinite numbers and times, years before 0001 or after 9999, and 24:00.'),
  truncate: z
    .enum(['fail', 'ignore'])
    .default('fail')
    .describe('What a TRUNCATE of `table` does: end the job, or nothing. With `tables` the sink is told.'),
})

/** The options of the source `postgres-cdc`. */
export const postgresCdcOptions: z.ZodType<PostgresCdcOptions> = options.superRefine((given, context) => {
  const complain = (key: string, message: string): void => context.addIssue({ code: 'custom', path: [key], message })
  const { table, tables, paused, resync, end } = given
  if ((table === undefined) === (tables === undefined)) return complain('table', 'expected either `table` or `tables`')
  if (tables === undefined && paused.length > 0) complain('paused', 'belongs to `tables`')
  if (end !== 'never' && paused.length + Object.keys(resync).length > 0) {
    complain(paused.length > 0 ? 'paused' : 'resync', 'belongs to a source without `end`')
  }
  if (tables?.every(isPattern) === false) return
  const isRead = isWantedBy(given)
  const other = Object.keys(resync).find((name) => !isRead(tableNameOf(name).schema, tableNameOf(name).name))
  if (other !== undefined) complain('resync', `${other} is not one of the tables that are read`)
})

export interface PostgresCdcOptions {
  readonly url: string
  readonly username: string
  readonly password: Secret
  readonly ca?: string | undefined
  readonly table?: string | undefined
  readonly tables?: readonly string[] | undefined
  readonly paused: readonly string[]
  readonly resync: Readonly<Record<string, string>>
  readonly slot?: string | undefined
  readonly publication?: string | undefined
  readonly start: 'initial' | 'latest'
  readonly end: 'never' | 'latest' | 'snapshot'
  readonly changeColumns: readonly ChangeColumn[]
  readonly chunkRows: number
  readonly unchangedValues: 'reread' | 'fail'
  readonly specialValues: 'fail' | 'null'
  readonly truncate: 'fail' | 'ignore'
}

export type ChangeColumn = '_op' | '_position' | '_timestamp'

function isPattern(text: string): boolean {
  try {
    return new RegExp(`^(?:${text})$`, 'u').unicode
  } catch {
    return false
  }
}

function isAddress(text: string): boolean {
  try {
    parsePgAddress(text)
    return true
  } catch {
    return false
  }
}
