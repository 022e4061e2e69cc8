import { z } from 'zod'
import type { Connector, SinkDescription, SourceDescription } from '../core/connector.ts'
import type { Delivery } from '../core/delivery.ts'
import { MillraceError } from '../core/errors.ts'
import { identifier, integer, oneOrMany, s3, secret, size, url } from '../core/options.ts'

/*
 * Connectors for tests of planning: they describe themselves in all the ways that real ones do, and never run.
 */

const atomic: Delivery = { class: 'atomic', reason: 'positions are exact', assumptions: [] }

function neverRuns(): never {
  throw new MillraceError('a connector of the planning tests cannot run', { code: 'INTERNAL' })
}

const logOptions = z.strictObject({
  brokers: oneOrMany(z.string())
    .describe('Addresses.')
    .meta({ examples: ['localhost:9092'] }),
  topics: z.array(z.string()).min(1).describe('What to read.'),
  format: z.enum(['json', 'csv', 'raw']).default('json').describe('How values are encoded.'),
  retries: integer({ max: 9 }).default(3).describe('How often to try again.'),
  sasl: z.strictObject({ username: z.string(), password: secret() }).optional(),
  properties: z.record(z.string(), z.string()).optional(),
})

/** Endless, bytes, with metadata columns: like a Kafka topic. */
const log: Connector = {
  name: 'log',
  summary: 'An endless log of records.',
  source: {
    options: logOptions,
    describe: (options): SourceDescription => ({
      delivery: atomic,
      bounded: false,
      gives: ['bytes'],
      format: logOptions.parse({ brokers: 'x', topics: ['x'], ...pick(options, 'format') }).format,
      metadata: [
        { name: '_partition', type: 'integer', nullable: false },
        { name: '_offset', type: 'bigint', nullable: false },
      ],
      findings: [],
    }),
    create: async () => neverRuns(),
  },
}

function pick(options: unknown, name: string): Record<string, unknown> {
  return typeof options === 'object' && options !== null && name in options
    ? { [name]: (options as Record<string, unknown>)[name] }
    : {}
}

/** Bounded, columns, rows by key, and right only under an assumption: like slices of a monotonic column. */
const slices: Connector = {
  name: 'slices',
  summary: 'Slices of a table.',
  source: {
    options: z.strictObject({ table: identifier(), s3: s3().optional() }),
    describe: (): SourceDescription => ({
      delivery: { class: 'atomic', reason: 'slices never change', assumptions: ['monotonic-ids'] },
      bounded: true,
      gives: ['table'],
      format: 'parquet',
      metadata: [],
      findings: [],
    }),
    create: async () => neverRuns(),
    openKeyed: async () => neverRuns(),
  },
}

/** Tables with known columns: like Parquet files. */
const shelf: Connector = {
  name: 'shelf',
  summary: 'Files of columns.',
  source: {
    options: z.strictObject({ path: identifier(), schema: z.record(z.string(), z.string()) }),
    describe: (): SourceDescription => ({
      delivery: { class: 'atomic', reason: 'files never change', assumptions: [] },
      bounded: true,
      gives: ['table'],
      format: 'parquet',
      metadata: [{ name: '_file', type: 'varchar', nullable: false }],
      prunes: true,
      findings: [],
    }),
    create: async () => neverRuns(),
  },
}

/** Two-phase loads of JSON arrays or CSV: like StarRocks. */
const warehouse: Connector = {
  name: 'warehouse',
  summary: 'Tables by two-phase loads.',
  sink: {
    options: z.strictObject({
      url: oneOrMany(url()).describe('Addresses of the frontends.'),
      database: identifier(),
      table: identifier(),
      username: z.string().default('root'),
      password: secret().optional().describe('Password of the user.'),
      loadBytesMax: size().prefault('32MiB').describe('A load is closed at this size.'),
    }),
    describe: (_, ask): SinkDescription => ({
      delivery:
        ask.delivery === 'two-phase'
          ? { class: 'atomic', reason: 'one transaction per table and checkpoint', assumptions: [] }
          : { class: 'at-least-once', reason: 'loads are visible at once', assumptions: [] },
      takes: [
        { kind: 'bytes', format: 'json', separator: 0x2c },
        { kind: 'bytes', format: 'csv', separator: 0x0a },
      ],
      writers: 1,
      findings: [],
    }),
    create: async () => neverRuns(),
  },
}

const keyedOptions = z.strictObject({ key: z.array(z.string()) })

/** JSON or CSV by key, in several transactions at a time: like StarRocks with primary keys and writers. */
const keyed: Connector = {
  name: 'keyed',
  summary: 'Tables that keep one row for each key.',
  sink: {
    options: keyedOptions,
    describe: (options): SinkDescription => ({
      delivery: atomic,
      takes: [{ kind: 'bytes', format: 'csv', separator: 0x0a }],
      writers: 'lanes',
      routing: { key: keyedOptions.parse(options).key, together: 'must', why: 'the last row of a key wins' },
      findings: [],
    }),
    create: async () => neverRuns(),
  },
}

/** Lines of JSON with a line feed: like Doris. */
const lines: Connector = {
  name: 'lines',
  summary: 'Tables by loads of lines.',
  sink: {
    options: z.strictObject({ table: identifier() }),
    describe: (): SinkDescription => ({
      delivery: atomic,
      takes: [{ kind: 'bytes', format: 'json', separator: 0x0a }],
      writers: 'lanes',
      findings: [],
    }),
    create: async () => neverRuns(),
  },
}

/** Columns only: like a lake of Parquet files. */
const lake: Connector = {
  name: 'lake',
  summary: 'Tables of files.',
  sink: {
    options: z.strictObject({ path: z.string() }),
    describe: (): SinkDescription => ({
      delivery: { class: 'atomic', reason: 'one commit per checkpoint', assumptions: [] },
      takes: [{ kind: 'table' }],
      writers: 'lanes',
      findings: [],
    }),
    create: async () => neverRuns(),
  },
}

/** Keyed rows, right after catching up: like upserts into MySQL. */
const upserts: Connector = {
  name: 'upserts',
  summary: 'Keyed rows.',
  sink: {
    options: z.strictObject({ table: identifier(), key: z.array(z.string()).min(1) }),
    describe: (): SinkDescription => ({
      delivery: { class: 'convergent', reason: 'keyed upserts', assumptions: [] },
      takes: [{ kind: 'rows' }],
      writers: 4,
      findings: [],
    }),
    create: async () => neverRuns(),
  },
}

/** Drops everything, takes everything. */
const nowhere: Connector = {
  name: 'nowhere',
  summary: 'Drops rows.',
  sink: {
    options: z.strictObject({}),
    describe: (): SinkDescription => ({
      delivery: atomic,
      takes: [{ kind: 'bytes', format: 'raw', separator: 0x0a }, { kind: 'table' }],
      writers: 'lanes',
      findings: [],
    }),
    create: async () => neverRuns(),
  },
}

const all: readonly Connector[] = [log, slices, shelf, warehouse, keyed, lines, lake, upserts, nowhere]

export interface PlanConnectors {
  readonly names: readonly string[]
  load(name: string): Promise<Connector | undefined>
}

export const PLAN_CONNECTORS: PlanConnectors = {
  names: all.map((connector) => connector.name),
  load: async (name) => all.find((connector) => connector.name === name),
}
