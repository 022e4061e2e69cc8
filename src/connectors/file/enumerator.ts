import type { SplitId, SplitPosition } from '../../core/batch.ts'
import type { SourceContext } from '../../core/context.ts'
import { MillraceError } from '../../core/errors.ts'
import type { SplitAssignment, SplitEnumerator } from '../../core/source.ts'
import type { FilePlace, FoundFile } from './file-place.ts'
import { lineRanges } from './line-ranges.ts'
import { formatOf, type FileSourceOptions } from './options.ts'
import { rowRanges } from './parquet-ranges.ts'
import { filePosition, fileSpec, type FileSpec } from './split.ts'

/** Files that are verified at the same time. */
const VERIFY_AT_ONCE = 16

/** Finds files. A bounded source is the list of the very first start, for ever; a following one looks again and again. */
export class FileEnumerator implements SplitEnumerator {
  readonly discoveryIntervalMs: number | undefined
  readonly #options: FileSourceOptions
  readonly #context: SourceContext
  readonly #place: FilePlace

  constructor(options: FileSourceOptions, context: SourceContext, place: FilePlace) {
    this.#options = options
    this.#context = context
    this.#place = place
    this.discoveryIntervalMs = options.follow ? place.discoveryMs : undefined
  }

  async verify(restored: readonly SplitAssignment[]): Promise<void> {
    const failed: MillraceError[] = []
    for (let at = 0; at < restored.length; at += VERIFY_AT_ONCE) {
      const part = restored.slice(at, at + VERIFY_AT_ONCE)
      const errors = await Promise.all(part.map((assignment) => this.#problemOf(assignment)))
      failed.push(...errors.filter((error) => error !== undefined))
    }
    const [first] = failed
    if (first === undefined) return
    throw new MillraceError(failed.map((error) => error.message).join('\n'), {
      code: first.code,
      retry: first.retry,
      cause: first,
      detail: { ranges: failed.map((error) => error.detail) },
    })
  }

  async discover(known: ReadonlySet<SplitId>, first: boolean): Promise<readonly SplitAssignment[]> {
    if (!first && !this.#options.follow) {
      await this.#tellOfNewFiles(known)
      return []
    }
    const found: SplitAssignment[] = []
    for (const file of await this.#place.find()) {
      if (known.has(file.name)) continue
      const splits = await this.#splitsOf(file)
      found.push(...splits.filter((split) => !known.has(split.split)))
    }
    return found
  }

  /** Bytes are known, records are not. */
  async lag(): Promise<ReadonlyMap<SplitId, number>> {
    return new Map()
  }

  async acknowledge(_positions: readonly SplitPosition[]): Promise<void> {}

  async close(): Promise<void> {}

  /** Whoever adds a file and starts again would otherwise wonder why nothing happens. */
  async #tellOfNewFiles(known: ReadonlySet<SplitId>): Promise<void> {
    const { id, log } = this.#context
    const names = (await this.#place.find()).map(({ name }) => name)
    const added = names.filter((name) => !known.has(name) && !known.has(`${name}@0`))
    const [one] = added
    if (one === undefined) return
    const more = added.length > 1 ? ` and ${added.length - 1} more` : ''
    log.warn(
      `${id}: ${one}${more} came after the first start and will not be read, because the source is bounded; ` +
        'set `follow: true` to read such files',
      { files: added.length },
    )
  }

  async #splitsOf(file: FoundFile): Promise<readonly SplitAssignment[]> {
    const { name, path } = file
    const spec = await this.#describe(file)
    if (spec === undefined) return []
    const begin = { offset: 0, row: 0 }
    const format = formatOf(this.#options)?.kind
    if (format === 'parquet') {
      const rows = await rowRanges(await this.#place.ranges(spec))
      return rows.map((range) => ({
        split: rows.length === 1 ? name : `${name}@${range.at.row}`,
        spec,
        ...range,
      }))
    }
    // A compressed file tells only at its end how long it is, and a followed one has no end.
    const mayGrow = this.#options.follow && this.#place.canGrow
    if (mayGrow || spec.compression !== 'none') return [{ split: name, spec, at: begin }]
    const { size } = spec.identity
    if (format === 'csv') return [{ split: name, spec, at: begin, until: { offset: size, row: 0 } }]
    const ranges = await lineRanges(path, size, () => this.#place.open(spec, true))
    return ranges.map(({ start, end }) => ({
      split: ranges.length === 1 ? name : `${name}@${start}`,
      spec,
      at: { offset: start, row: 0 },
      until: { offset: end, row: 0 },
    }))
  }

  /** A followed directory may lose a file between listing and opening it; then it was never ours. */
  async #describe(file: FoundFile): Promise<FileSpec | undefined> {
    try {
      return await this.#place.describe(file)
    } catch (thrown) {
      if (this.#options.follow && thrown instanceof MillraceError && thrown.code === 'POSITION_LOST') return undefined
      throw thrown
    }
  }

  async #problemOf(assignment: SplitAssignment): Promise<MillraceError | undefined> {
    const spec = fileSpec(assignment.spec)
    const at = filePosition(assignment.at)
    const until = assignment.until === undefined ? undefined : filePosition(assignment.until).offset
    if (until !== undefined && at.offset >= until) return undefined
    try {
      const isPlain = spec.compression === 'none'
      const file = await this.#place.open(spec, until !== undefined || !isPlain, isPlain ? at.offset : 0)
      await file.close()
      return undefined
    } catch (thrown) {
      if (!(thrown instanceof MillraceError)) throw thrown
      const range = { split: assignment.split, from: at.offset, to: until ?? null }
      const { code, retry, detail } = thrown
      return new MillraceError(thrown.message, { code, retry, detail: { ...detail, ...range }, cause: thrown })
    }
  }
}
