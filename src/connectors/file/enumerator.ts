import type { SplitId, SplitPosition } from '../../core/batch.ts'
import type { SourceContext } from '../../core/context.ts'
import { MillraceError } from '../../core/errors.ts'
import type { SplitAssignment, SplitEnumerator } from '../../core/source.ts'
import { findFiles, splitName } from './find-files.ts'
import { checkIdentity, describeFile, lost, openFile } from './identity.ts'
import { lineRanges } from './line-ranges.ts'
import { formatOf, type FileSourceOptions } from './options.ts'
import { filePosition, fileSpec, type FileSpec } from './split.ts'

/** Between two looks for new files when following. */
const DISCOVERY_MS = 2_000

/** Finds files. A bounded source is the list of the very first start, for ever; a following one looks again and again. */
export class FileEnumerator implements SplitEnumerator {
  readonly discoveryIntervalMs: number | undefined
  readonly #options: FileSourceOptions
  readonly #context: SourceContext

  constructor(options: FileSourceOptions, context: SourceContext) {
    this.#options = options
    this.#context = context
    this.discoveryIntervalMs = options.follow ? DISCOVERY_MS : undefined
  }

  async verify(restored: readonly SplitAssignment[]): Promise<void> {
    const failed: MillraceError[] = []
    for (const assignment of restored) {
      await verifyOne(assignment).catch((thrown: unknown) => {
        if (!(thrown instanceof MillraceError)) throw thrown
        failed.push(thrown)
      })
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
    const { baseDirectory } = this.#context
    const found: SplitAssignment[] = []
    for (const path of await findFiles(this.#options.path, baseDirectory)) {
      const name = splitName(path, baseDirectory)
      if (known.has(name)) continue
      const splits = await this.#splitsOf(name, path)
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
    const { baseDirectory, id, log } = this.#context
    const names = (await findFiles(this.#options.path, baseDirectory)).map((path) => splitName(path, baseDirectory))
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

  async #splitsOf(name: string, path: string): Promise<readonly SplitAssignment[]> {
    const spec = await this.#describe(path)
    if (spec === undefined) return []
    const begin = { offset: 0, row: 0 }
    const format = formatOf(this.#options)?.kind
    if (format === 'parquet') return [{ split: name, spec, at: begin }]
    // A compressed file tells only at its end how long it is, and a followed one has no end.
    if (this.#options.follow || spec.compression !== 'none') return [{ split: name, spec, at: begin }]
    const { size } = spec.identity
    if (format === 'csv') return [{ split: name, spec, at: begin, until: { offset: size, row: 0 } }]
    const ranges = await lineRanges(path, size)
    return ranges.map(({ start, end }) => ({
      split: ranges.length === 1 ? name : `${name}@${start}`,
      spec,
      at: { offset: start, row: 0 },
      until: { offset: end, row: 0 },
    }))
  }

  /** A followed directory may lose a file between listing and opening it; then it was never ours. */
  async #describe(path: string): Promise<FileSpec | undefined> {
    try {
      return await describeFile(path)
    } catch (thrown) {
      if (this.#options.follow && thrown instanceof MillraceError && thrown.code === 'POSITION_LOST') return undefined
      throw thrown
    }
  }
}

async function verifyOne(assignment: SplitAssignment): Promise<void> {
  const spec = fileSpec(assignment.spec)
  const at = filePosition(assignment.at)
  const until = assignment.until === undefined ? undefined : filePosition(assignment.until).offset
  if (until !== undefined && at.offset >= until) return
  try {
    await using handle = await openFile(spec.path)
    const { size } = await handle.stat()
    if (spec.compression === 'none' && size < at.offset) {
      throw lost(spec.path, `it has ${size} bytes, our position is byte ${at.offset}`, 'POSITION_AHEAD')
    }
    await checkIdentity(handle, spec, until !== undefined || spec.compression !== 'none')
  } catch (thrown) {
    if (!(thrown instanceof MillraceError)) throw thrown
    const range = { split: assignment.split, from: at.offset, to: until ?? null }
    const { code, retry, detail } = thrown
    throw new MillraceError(thrown.message, { code, retry, detail: { ...detail, ...range }, cause: thrown })
  }
}
