import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileSourceOptions } from '../connectors/file/options.ts'
import { FileSource } from '../connectors/file/source.ts'
import type { Batch, BodyFormat } from '../core/batch.ts'
import type { LaneContext } from '../core/context.ts'
import type { SplitAssignment, SplitReader } from '../core/source.ts'
import { testLaneContext, testSourceContext } from './lane-context.ts'
import { readSplits, type ReadResult } from './read-splits.ts'

const json: BodyFormat = { kind: 'bytes', format: 'json', separator: 0x0a }

/** Files in a directory of their own, and the file source over them. */
export class SourceFiles implements AsyncDisposable {
  readonly root: string
  readonly #readers: SplitReader[] = []

  constructor(root: string) {
    this.root = root
  }

  async write(name: string, content: string | Uint8Array): Promise<string> {
    const path = join(this.root, name)
    await mkdir(join(path, '..'), { recursive: true })
    await writeFile(path, content)
    return path
  }

  source(options: Record<string, unknown>): FileSource {
    return new FileSource(fileSourceOptions.parse({ path: '.', ...options }))
  }

  async discover(options: Record<string, unknown>): Promise<readonly SplitAssignment[]> {
    const enumerator = this.source(options).enumerator(testSourceContext({ baseDirectory: this.root }))
    return await enumerator.discover(new Set(), true)
  }

  reader(options: Record<string, unknown>, context: Partial<LaneContext> = {}): SplitReader {
    const reader = this.source(options).reader(testLaneContext({ baseDirectory: this.root, ...context }))
    this.#readers.push(reader)
    return reader
  }

  async readAll(options: Record<string, unknown>, format: BodyFormat = json): Promise<string[]> {
    const reader = this.reader(options, { format })
    const { records } = await readSplits(reader, await this.discover(options))
    await reader.close()
    return records
  }

  /** Reads with a new reader after each number of batches, as after kills. */
  async readWithStops(
    options: Record<string, unknown>,
    stops: readonly number[],
    context: Partial<LaneContext> = {},
    take?: (batch: Batch) => readonly string[] | Promise<readonly string[]>,
  ): Promise<string[]> {
    let result: ReadResult = { records: [], rest: await this.discover(options) }
    const records: string[] = []
    const enumerator = this.source(options).enumerator(testSourceContext({ baseDirectory: this.root }))
    for (const batches of [...stops, Number.POSITIVE_INFINITY]) {
      // As a manifest carries them.
      const rest: SplitAssignment[] = JSON.parse(JSON.stringify(result.rest))
      await enumerator.verify(rest)
      const reader = this.reader(options, context)
      result = await readSplits(reader, rest, batches, take)
      records.push(...result.records)
      await reader.close()
    }
    return records
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#readers.map((reader) => reader.close()))
    await rm(this.root, { recursive: true, force: true })
  }
}

export async function openSourceFiles(): Promise<SourceFiles> {
  return new SourceFiles(await mkdtemp(join(tmpdir(), 'millrace-file-')))
}
