import type { LogReader, Span } from '../../clients/sls/index.ts'
import {
  BYTE_ARRAY,
  ColumnPage,
  INT64,
  quoteName,
  TIMESTAMP_MICROS,
  UTF8,
  type PlainColumn,
} from '../../dataplane/index.ts'

/** What is known of the group and log that a row comes from. */
export interface RowFacts {
  readonly reader: LogReader
  readonly shard: number
  /** Number of the log's group. */
  readonly group: bigint
}

interface Metadata {
  readonly plain: Omit<PlainColumn, 'name'>
  readonly sql: (column: string) => string
  readonly add: (page: ColumnPage, facts: RowFacts) => void
}

const TEXT = { physical: BYTE_ARRAY, converted: UTF8 } as const
const WHOLE = { physical: INT64 } as const

const METADATA: ReadonlyMap<string, Metadata> = new Map<string, Metadata>([
  [
    '_time',
    {
      plain: { physical: INT64, converted: TIMESTAMP_MICROS },
      // The session's zone is UTC.
      sql: (column) => `CAST(${column} AS TIMESTAMPTZ)`,
      add: (page, { reader }) => addWhole(page, reader.micros),
    },
  ],
  ['_topic', { plain: TEXT, sql: asIs, add: (page, { reader }) => addSpan(page, reader, reader.topic) }],
  ['_source', { plain: TEXT, sql: asIs, add: (page, { reader }) => addSpan(page, reader, reader.source) }],
  [
    '_tags',
    {
      plain: TEXT,
      sql: (column) => `CAST(${column} AS JSON)`,
      add: (page, { reader }) => addText(page, tagsOf(reader)),
    },
  ],
  [
    '_shard',
    {
      plain: WHOLE,
      sql: (column) => `CAST(${column} AS INTEGER)`,
      add: (page, { shard }) => addWhole(page, BigInt(shard)),
    },
  ],
  ['_offset', { plain: WHOLE, sql: asIs, add: (page, { group }) => addWhole(page, group) }],
  [
    '_index',
    {
      plain: WHOLE,
      sql: (column) => `CAST(${column} AS INTEGER)`,
      add: (page, { reader }) => addWhole(page, BigInt(reader.log)),
    },
  ],
])

function asIs(column: string): string {
  return column
}

/** The metadata columns that the plan uses, as pages beside those of the values. */
export class MetadataPages {
  readonly plain: readonly PlainColumn[]
  readonly pages: readonly ColumnPage[]
  readonly sql: readonly string[]
  readonly #columns: readonly { readonly page: ColumnPage; readonly add: Metadata['add'] }[]

  constructor(names: readonly string[]) {
    const wanted = names.flatMap((name, at) => {
      const metadata = METADATA.get(name)
      return metadata === undefined ? [] : [{ name, file: `m${at}`, page: new ColumnPage(), ...metadata }]
    })
    this.plain = wanted.map(({ plain, file }) => ({ name: file, ...plain }))
    this.pages = wanted.map(({ page }) => page)
    this.sql = wanted.map(({ sql, file, name }) => `${sql(file)} AS ${quoteName(name)}`)
    this.#columns = wanted
  }

  get isEmpty(): boolean {
    return this.#columns.length === 0
  }

  reset(): void {
    for (const page of this.pages) page.reset()
  }

  add(facts: RowFacts): void {
    for (const { page, add } of this.#columns) add(page, facts)
  }
}

function addWhole(page: ColumnPage, value: bigint): void {
  page.reserveRows(1)
  page.reserve(8)
  page.view.setBigInt64(page.length, value, true)
  page.length += 8
  page.addPresent()
}

function addSpan(page: ColumnPage, { bytes }: LogReader, { from, to }: Span): void {
  page.reserveRows(1)
  page.reserve(to - from + 4)
  page.view.setInt32(page.length, to - from, true)
  bytes.copy(page.data, page.length + 4, from, to)
  page.length += to - from + 4
  page.addPresent()
}

function addText(page: ColumnPage, text: Buffer): void {
  page.reserveRows(1)
  page.reserve(text.length + 4)
  page.view.setInt32(page.length, text.length, true)
  text.copy(page.data, page.length + 4)
  page.length += text.length + 4
  page.addPresent()
}

/** Tags by their keys as a JSON object, made once for each group; of equal keys the last one counts. */
let tagged: { readonly of: readonly Span[]; readonly text: Buffer } | undefined

function tagsOf({ bytes, tags }: LogReader): Buffer {
  if (tagged?.of === tags) return tagged.text
  const values = new Map<string, string>()
  for (let at = 0; at + 1 < tags.length; at += 2) {
    const [key, value] = [tags[at], tags[at + 1]].map((span) => bytes.toString('utf8', span?.from, span?.to))
    values.set(key ?? '', value ?? '')
  }
  const text = Buffer.from(
    `{${[...values].map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`).join(',')}}`,
  )
  tagged = { of: tags, text }
  return text
}
