import { z } from 'zod'
import { identifier, integer, oneOrMany, secret, url } from '../../core/options.ts'
import type { Secret } from '../../core/secret.ts'

/** The options of the source `mysql-cdc`. */
export const mysqlCdcOptions: z.ZodType<MysqlCdcOptions> = z
  .strictObject({
    url: url(['mysql'])
      .describe('`mysql://host:port` of the server, MySQL or MariaDB, whose log is read.')
      .meta({ examples: ['mysql://db:3306'] }),
    username: identifier(80).describe('User with the grants below.'),
    password: secret().describe('Password of the user.'),
    tls: z
      .strictObject({
        ca: z.string().optional().describe('PEM certificates to trust instead of the system’s.'),
        insecureSkipVerify: z.boolean().default(false).describe('Turns certificate checks off. For tests only.'),
      })
      .optional()
      .describe('Encrypts the connections. `tls: {}` uses the system’s certificates.'),
    allowPlaintext: z
      .boolean()
      .default(false)
      .describe('Allows connections without TLS to a host that is not loopback.'),
    table: z
      .string()
      .regex(/^[^.]+\.[^.]+$/, 'expected database.table')
      .optional()
      .describe('`database.table`: one table, whose rows any step and sink can take.')
      .meta({ examples: ['shop.orders'] }),
    tables: oneOrMany(z.string().min(1))
      .optional()
      .describe('Regular expressions for whole `database.table` names; for sinks that take several tables.')
      .meta({ examples: [['shop\\..*']] }),
    paused: z
      .array(z.string().min(1))
      .default([])
      .describe(
        'Regular expressions for `database.table` names of `tables` whose changes wait in the log: they go on where they were when the name is taken out again, as long as the server keeps its log.',
      )
      .meta({ examples: [['shop\\.orders']] }),
    resync: z
      .record(z.string().regex(/^[^.]+\..+$/, 'expected database.table'), z.string().min(1))
      .default({})
      .describe(
        'Tables (`database.table`) to read again from their first row on, while the others go on: each with a text that names the occasion, since each occasion counts once.',
      )
      .meta({ examples: [{ 'shop.orders': '2026-11-22' }] }),
    without: z
      .array(identifier(64))
      .default([])
      .describe('Columns that are not read, in all tables.')
      .meta({ examples: [['photo']] }),
    start: z
      .union([z.enum(['initial', 'latest']), z.strictObject({ gtid: z.string().min(1) })])
      .default('initial')
      .describe(
        'Where the very first start begins: initial (all rows that are there, then every change), latest (changes from now on), or {gtid: …} (changes behind these transactions).',
      ),
    end: z
      .enum(['never', 'snapshot', 'latest'])
      .default('never')
      .describe(
        'snapshot: end once all rows, and the changes during their reading, were read. latest: end where the log ends at the start.',
      ),
    serverId: integer({ min: 1, max: 4_294_960_000 })
      .optional()
      .describe(
        'First of the server ids that the readers log in with, one more than there are lanes; no replica and no other reader may have them. Default: made of the names of the pipeline and the source.',
      ),
    zeroDates: z
      .enum(['fail', 'null'])
      .default('fail')
      .describe('Dates that no calendar has, such as 0000-00-00: fail, or read them as NULL.'),
    metadata: z
      .array(z.enum(['op', 'position', 'timestamp']))
      .default([])
      .describe(
        'Columns to add: `_op` (r initial row, c insert, u update, d delete), `_position` (text that sorts in the order of the log), `_timestamp` (commit time).',
      ),
    fetchSize: integer({ min: 1, max: 1_000_000 })
      .default(8192)
      .describe('Rows that one query of the initial snapshot reads at most.'),
    changedKeysMax: integer({ min: 1000 })
      .default(4_000_000)
      .describe('Keys that may change while the initial snapshot is read; about 100 bytes each, in every lane.'),
  })
  .superRefine((options, context) => {
    const complain = (key: string, message: string): void => context.addIssue({ code: 'custom', path: [key], message })
    const { table, tables, start, end, metadata } = options
    if ((table === undefined) === (tables === undefined)) complain('table', 'give either `table` or `tables`')
    if (end === 'snapshot' && start !== 'initial') complain('end', '`snapshot` belongs to `start: initial`')
    if (end === 'latest' && start === 'initial') complain('end', '`latest` is for changes alone; here it is `snapshot`')
    if (tables !== undefined && metadata.length > 0) complain('metadata', 'belongs to `table`')
    if (tables === undefined && options.paused.length > 0) complain('paused', 'belongs to `tables`')
    const patterns = { tables: tables ?? [], paused: options.paused }
    for (const [key, list] of Object.entries(patterns)) {
      for (const pattern of list) {
        try {
          new RegExp(pattern)
        } catch (error) {
          complain(key, (error as Error).message)
        }
      }
    }
  })

export interface MysqlCdcOptions {
  readonly url: string
  readonly username: string
  readonly password: Secret
  readonly tls?: { readonly ca?: string | undefined; readonly insecureSkipVerify: boolean } | undefined
  readonly allowPlaintext: boolean
  readonly table?: string | undefined
  readonly tables?: readonly string[] | undefined
  readonly paused: readonly string[]
  readonly resync: Readonly<Record<string, string>>
  readonly without: readonly string[]
  readonly start: 'initial' | 'latest' | { readonly gtid: string }
  readonly end: 'never' | 'snapshot' | 'latest'
  readonly serverId?: number | undefined
  readonly zeroDates: 'fail' | 'null'
  readonly metadata: readonly ('op' | 'position' | 'timestamp')[]
  readonly fetchSize: number
  readonly changedKeysMax: number
}

/** Whether a table is one of those that are asked for. */
export function isWanted({ table, tables }: MysqlCdcOptions): (database: string, name: string) => boolean {
  if (table !== undefined) return (database, name) => `${database}.${name}` === table
  const patterns = (tables ?? []).map((pattern) => new RegExp(`^(?:${pattern})$`))
  return (database, name) => !SYSTEM.has(database) && patterns.some((pattern) => pattern.test(`${database}.${name}`))
}

const SYSTEM: ReadonlySet<string> = new Set(['mysql', 'sys', 'information_schema', 'performance_schema'])
