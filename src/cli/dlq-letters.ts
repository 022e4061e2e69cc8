import { createHash } from 'node:crypto'
import path from 'node:path'
import { promisify } from 'node:util'
import { gunzip, zstdDecompress } from 'node:zlib'
import { CONNECTOR_MODULES } from '../connectors/registry.ts'
import type { LaneContext } from '../core/context.ts'
import { DEAD_LETTER_SCHEMA } from '../core/dead-letters.ts'
import { MillraceError } from '../core/errors.ts'
import type { JsonObject } from '../core/json.ts'
import type { Plan, SinkStep } from '../plan/plan.ts'
import { openSource } from '../runtime/connectors.ts'
import { rawRecords } from '../runtime/letter-box.ts'
import { systemClock } from '../runtime/system-clock.ts'
import { isS3Address, storeOpener } from '../storage/open-store.ts'
import { tableRows } from './table-rows.ts'

/** A dead letter as it stands in its target. */
export interface StoredLetter {
  /** The same for ever: what was decided about a letter is remembered by it. */
  readonly id: string
  readonly source: string
  readonly split: string
  readonly position: string
  readonly checkpoint: number
  readonly attempt: number
  readonly step: string
  readonly code: string
  readonly reason: string
  readonly column: string | undefined
  readonly raw: Buffer
}

/** All dead letters of a pipeline, in the order of their sources. */
export async function readLetters(plan: Plan): Promise<StoredLetter[]> {
  const targets = new Set(Object.values(plan.deadLetters ?? {}).map(({ to }) => to))
  const sinks = plan.steps.filter((step): step is SinkStep => step.kind === 'sink' && targets.has(step.id))
  if (sinks.length === 0) {
    throw new MillraceError(`${plan.name} has no dead letters: no part of it has \`deadLetter\``, { code: 'CONFIG' })
  }
  const lines = (await Promise.all(sinks.map((sink) => linesOf(sink, plan)))).flat()
  return lines.map(letterOf).sort(byPlace)
}

function letterOf(line: string): StoredLetter {
  const row = JSON.parse(line) as Readonly<Record<string, unknown>>
  const text = (name: string): string => String(row[name] ?? '')
  const [source, split, position, attempt] = [text('source'), text('split'), text('position'), text('attempt')]
  return {
    ...{ source, split, position },
    id: createHash('sha256').update([source, split, position, attempt].join('\n')).digest('hex').slice(0, 12),
    checkpoint: Number(row['checkpoint']),
    attempt: Number(attempt),
    step: text('step'),
    code: text('code'),
    reason: text('reason'),
    column: row['column_name'] === null ? undefined : text('column_name'),
    raw: Buffer.from(text('raw'), row['encoding'] === 'base64' ? 'base64' : 'utf8'),
  }
}

function byPlace(left: StoredLetter, right: StoredLetter): number {
  const key = ({ source, split }: StoredLetter): string => `${source}\n${split}`
  if (key(left) !== key(right)) return key(left) < key(right) ? -1 : 1
  const [a, b] = [numberOf(left), numberOf(right)]
  if (a !== b) return a < b ? -1 : 1
  return left.attempt - right.attempt
}

function numberOf({ position }: StoredLetter): bigint {
  const { offset, row } = JSON.parse(position) as { offset?: string; row?: number }
  return BigInt(offset ?? row ?? 0)
}

async function linesOf(sink: SinkStep, plan: Plan): Promise<string[]> {
  const { format } = sink.options
  const isJson = format === undefined || format === 'json' || format === 'ndjson'
  if (sink.connector === 'files' && isJson) return linesOfFiles(String(sink.options['path']), plan)
  if (sink.connector === 'kafka' && isJson) return linesOfTopic(sink, plan)
  const columns = DEAD_LETTER_SCHEMA.map(({ name }) => name)
  const rows = await tableRows(
    sink,
    columns.map((name) => ({ name })),
    undefined,
  )
  return rows.map((row) => JSON.stringify(Object.fromEntries(columns.map((name, at) => [name, row[at] ?? null]))))
}

async function linesOfFiles(at: string, { baseDirectory, s3 }: Plan): Promise<string[]> {
  const store = await storeOpener(s3)(isS3Address(at) ? at : path.resolve(baseDirectory, at))
  const lines: string[] = []
  for await (const { path: name } of store.list('')) {
    if (!/\.ndjson(\.gz|\.zst)?$/.test(name) || name.split('/').some((part) => /^[._]/.test(part))) continue
    const bytes = await store.read(name)
    const unpack = name.endsWith('.gz')
      ? promisify(gunzip)
      : name.endsWith('.zst')
        ? promisify(zstdDecompress)
        : undefined
    const text = Buffer.from(unpack === undefined ? (bytes ?? '') : await unpack(bytes ?? '')).toString('utf8')
    lines.push(...text.split('\n').filter((line) => line !== ''))
  }
  return lines
}

const CONNECTION: readonly string[] = ['brokers', 'sasl', 'tls', 'allowPlaintext']

async function linesOfTopic({ id, options }: SinkStep, plan: Plan): Promise<string[]> {
  const connection = Object.fromEntries(Object.entries(options).filter(([name]) => CONNECTION.includes(name)))
  const topics = [options['topic'] ?? '']
  const read: JsonObject = { ...connection, topics, format: 'raw', start: 'earliest', end: 'latest' }
  const source = await openSource(CONNECTOR_MODULES, 'kafka', read)
  const context = contextOf(id, plan)
  const enumerator = source.enumerator(context)
  const reader = source.reader(context)
  try {
    const splits = await enumerator.discover(new Set(), true)
    const open = new Set(splits.map(({ split }) => split))
    reader.assign(splits.map((split) => ({ ...split, isTraced: true })))
    const lines: string[] = []
    const signal = new AbortController().signal
    while (open.size > 0) {
      for (const item of await reader.poll(signal)) {
        if (item.kind === 'split-end') open.delete(item.split)
        if (item.kind !== 'batch' || item.body.kind !== 'bytes') continue
        const raw = rawRecords(item.body)
        for (let row = 0; row < item.rows; row++) lines.push(Buffer.from(raw(row)).toString('utf8'))
        item.release()
      }
    }
    return lines
  } finally {
    await Promise.all([reader.close(), enumerator.close()])
  }
}

function contextOf(id: string, { name, baseDirectory, times, s3, mode }: Plan): LaneContext {
  const nothing = (): void => undefined
  return {
    job: name,
    id,
    baseDirectory,
    log: { debug: nothing, info: nothing, warn: nothing, error: nothing },
    clock: systemClock,
    times,
    openStore: storeOpener(s3),
    ...{ lane: 0, lanes: 1, delivery: mode, schema: undefined, metadata: [] },
    meter: { count: nothing, observe: nothing },
    format: { kind: 'bytes', format: 'raw', separator: 0x0a },
    database: () => Promise.reject(new MillraceError('raw records need no database', { code: 'INTERNAL' })),
  }
}
