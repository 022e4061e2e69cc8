import { randomBytes } from 'node:crypto'
import { MysqlConnection } from '../clients/mysql/index.ts'
import { PostgresConnection } from '../clients/postgres/index.ts'
import type { SourceConnector } from '../core/connector.ts'
import type { LaneContext, Logger, SourceContext } from '../core/context.ts'
import { Secret } from '../core/secret.ts'
import type { Source, SplitAssignment } from '../core/source.ts'
import { silentLog, testLaneContext, testSourceContext } from './lane-context.ts'
import { recordsOf } from './read-splits.ts'
import type { OpenedSource } from './source-suite.ts'

/** A database of one test, and the connector that reads its tables. */
export interface SliceDatabase extends AsyncDisposable {
  /** Runs statements over a connection of their own; the rows of the last one. */
  run(sql: string): Promise<readonly (readonly unknown[])[]>
  /** A connection of its own, for a transaction. */
  session(): Promise<SqlSession>
  /** What the source is told of the server. */
  readonly address: Readonly<Record<string, unknown>>
}

export interface SqlSession extends AsyncDisposable {
  run(sql: string): Promise<readonly (readonly unknown[])[]>
}

async function open({ protocol, hostname, port, username, password, pathname }: URL): Promise<SqlSession> {
  const server = { host: hostname, port: Number(port), user: username, password: new Secret(password) }
  const database = pathname.slice(1)
  const connection =
    protocol === 'postgres:'
      ? await PostgresConnection.open({ ...server, database })
      : await MysqlConnection.open({ ...server, ...(database === '' ? {} : { database }) })
  return {
    run: async (sql) => (await connection.query(sql)).rows,
    [Symbol.asyncDispose]: async () => await connection.close(),
  }
}

/** Makes a database of its own on a server. */
export async function makeDatabase(serverUrl: string): Promise<SliceDatabase> {
  const name = `slices_${randomBytes(6).toString('hex')}`
  const server = new URL(serverUrl)
  const isPostgres = server.protocol === 'postgres:'
  const maintenance = new URL(server)
  if (isPostgres) maintenance.pathname = '/postgres'
  const runAt = async (url: URL, sql: string): Promise<readonly (readonly unknown[])[]> => {
    await using session = await open(url)
    return await session.run(sql)
  }
  await runAt(maintenance, `CREATE DATABASE ${name}`)
  const own = new URL(server)
  own.pathname = `/${name}`
  const plain = new URL(own)
  plain.username = ''
  plain.password = ''
  return {
    run: async (sql) => await runAt(own, sql),
    session: async () => await open(own),
    address: { url: plain.href, username: server.username, password: server.password },
    async [Symbol.asyncDispose]() {
      await runAt(maintenance, `DROP DATABASE ${name}${isPostgres ? ' WITH (FORCE)' : ''}`)
    },
  }
}

/** A source over the database, made as a pipeline makes it. */
export async function sliceSource<O>(
  connector: SourceConnector<O>,
  database: SliceDatabase,
  options: Readonly<Record<string, unknown>>,
): Promise<Source> {
  return await connector.create(connector.options.parse({ ...database.address, ...options }))
}

/** For the suite of sources: a bounded read of known rows. */
export async function boundedSlices<O>(
  connector: SourceConnector<O>,
  database: SliceDatabase,
  options: Readonly<Record<string, unknown>>,
  records: readonly string[],
): Promise<OpenedSource> {
  const source = await sliceSource(connector, database, { end: 'latest', pageRows: 40, initialSlices: 3, ...options })
  return {
    records,
    enumerator: () => source.enumerator(testSourceContext()),
    reader: () => source.reader(testLaneContext()),
    refused: ([first]) => {
      const other = { ...first?.spec, key: ['other'] }
      return first === undefined ? [] : [{ splits: [{ ...first, spec: other }], code: 'POSITION_LOST' }]
    },
    [Symbol.asyncDispose]: async () => await database[Symbol.asyncDispose](),
  }
}

/** A job of one lane that follows tables, for tests that look at what comes when. */
export class FollowedSlices implements AsyncDisposable {
  readonly #source: Source
  readonly #context: Partial<LaneContext & SourceContext>
  readonly #known = new Map<string, SplitAssignment>()
  readonly #finished = new Set<string>()
  #reader: ReturnType<Source['reader']> | undefined
  /** Everything that was read, in order. */
  readonly records: string[] = []

  constructor(source: Source, context: Partial<LaneContext & SourceContext> = {}) {
    this.#source = source
    this.#context = context
  }

  /** Where the splits stand. */
  get splits(): ReadonlyMap<string, SplitAssignment> {
    return this.#known
  }

  /** Looks for splits, as at a start and from time to time. */
  async discover(): Promise<void> {
    const enumerator = this.#source.enumerator(testSourceContext(this.#context))
    const isFirst = this.#known.size === 0
    const open = [...this.#known.values()].filter(({ split }) => !this.#finished.has(split))
    await enumerator.verify(stored(open))
    const ends = new Map([...this.#finished].map((split) => [split, this.#known.get(split)?.at ?? {}]))
    const found = stored(await enumerator.discover(new Set(this.#known.keys()), isFirst, this.#finished, ends))
    await enumerator.close()
    for (const split of found) this.#known.set(split.split, split)
    this.#reader ??= this.#source.reader(testLaneContext(this.#context))
    if (isFirst) this.#reader.assign(found)
    else this.#reader.add(found)
  }

  /** Reads on from stored positions with a new reader, as after a kill. */
  async restart(): Promise<void> {
    await this.#reader?.close()
    this.#reader = this.#source.reader(testLaneContext(this.#context))
    this.#reader.assign(stored([...this.#known.values()].filter(({ split }) => !this.#finished.has(split))))
  }

  /** Polls until the condition holds; looks for splits whenever one has ended. */
  async readUntil(isEnough: () => boolean, batches: number = Number.POSITIVE_INFINITY): Promise<void> {
    const signal = AbortSignal.timeout(180_000)
    for (let left = batches; !isEnough() && left > 0;) {
      signal.throwIfAborted()
      for (const item of (await this.#reader?.poll(signal)) ?? []) {
        const split = this.#known.get(item.kind === 'schema-change' ? '' : item.split)
        if (split === undefined) continue
        if (item.kind === 'split-end') {
          this.#known.set(split.split, { ...split, at: item.at })
          this.#finished.add(split.split)
          await this.discover()
        }
        if (item.kind !== 'batch') continue
        this.#known.set(split.split, { ...split, at: item.next })
        this.records.push(...recordsOf(item))
        item.release()
        left--
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reader?.close()
  }
}

/** Fulfilled when a source says that it waits for somebody. */
export function whenWaiting(): { readonly begun: Promise<void>; readonly context: { readonly log: Logger } } {
  const { promise, resolve } = Promise.withResolvers<void>()
  const debug = (message: string): void => {
    if (message.includes('is not read further')) resolve()
  }
  return { begun: promise, context: { log: { ...silentLog, debug } } }
}

/** Manifests carry JSON. */
function stored(splits: readonly SplitAssignment[]): SplitAssignment[] {
  return JSON.parse(JSON.stringify(splits)) as SplitAssignment[]
}
