import { openLaneDatabase, type LaneDatabase } from '../dataplane/index.ts'
import { slsSourceOptions } from '../connectors/sls/options.ts'
import { SlsReader } from '../connectors/sls/reader.ts'
import { SlsSource } from '../connectors/sls/source.ts'
import { openClient, PATIENT_MS } from '../connectors/sls/connect.ts'
import type { Schema } from '../core/schema.ts'
import type { SplitEnumerator } from '../core/source.ts'
import { SlsEmulator, type Logstore, type SlsEmulatorOptions } from './emulators/sls/index.ts'
import { testLaneContext, testSourceContext } from './lane-context.ts'

/** A source over an emulated logstore `logs`, with short pauses. */
export class TestedSls implements AsyncDisposable {
  readonly emulator: SlsEmulator
  readonly source: SlsSource
  readonly #options: ReturnType<typeof slsSourceOptions.parse>
  readonly #stack = new AsyncDisposableStack()
  #database: Promise<LaneDatabase> | undefined

  private constructor(emulator: SlsEmulator, more: Readonly<Record<string, unknown>>) {
    this.emulator = this.#stack.use(emulator)
    this.#options = slsSourceOptions.parse({
      endpoint: emulator.address,
      project: 'demo',
      logstore: 'logs',
      accessKeyId: 'testAccessKeyId',
      accessKeySecret: 'testAccessKeySecret',
      ...more,
    })
    this.source = new SlsSource(this.#options)
  }

  static async open(
    options: Readonly<Record<string, unknown>> = {},
    emulated: SlsEmulatorOptions & { readonly shards?: number } = {},
  ): Promise<TestedSls> {
    const { shards = 2, ...rest } = emulated
    return new TestedSls(await SlsEmulator.start({ logstores: [{ name: 'logs', shards }], ...rest }), options)
  }

  get logstore(): Logstore {
    return this.emulator.logstore('logs')
  }

  enumerator(): SplitEnumerator {
    const enumerator = this.source.enumerator(testSourceContext())
    this.#stack.defer(() => enumerator.close())
    return enumerator
  }

  /** Without a schema it gives JSON lines, with one tables. */
  reader(schema?: Schema, metadata: readonly string[] = []): SlsReader {
    const format = schema === undefined ? {} : { format: { kind: 'table' }, schema, metadata }
    const context = testLaneContext({ ...(format as object), database: () => this.database() })
    const client = openClient(this.#options, context, PATIENT_MS)
    const reader = new SlsReader(this.#options, client, context, { settleMs: 50, idleMs: 5, damagedMs: 1 })
    this.#stack.defer(() => reader.close())
    return reader
  }

  database(): Promise<LaneDatabase> {
    this.#database ??= openLaneDatabase({ memoryLimitBytes: 256 * 1024 * 1024 }).then((made) => this.#stack.use(made))
    return this.#database
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync()
  }
}
