import { existsSync } from 'node:fs'
import { mkdir, open } from 'node:fs/promises'
import path from 'node:path'
import { ownerFromExtra, isSameSink, type Owner } from '../../connectors/hudi/owner.ts'
import { loadConnector } from '../../connectors/registry.ts'
import { MillraceError } from '../../core/errors.ts'
import type { FileStore } from '../../core/file-store.ts'
import type { S3Options } from '../../core/options.ts'
import type { Plan, SinkStep } from '../../plan/plan.ts'
import { isS3Address, storeOpener } from '../../storage/open-store.ts'
import { viewHudiTable } from '../../testkit/hudi-checker.ts'

/** What is looked at: lists and whole small files. */
type Shown = Pick<FileStore, 'list' | 'read'>

export interface SinkFilesAsk {
  readonly step: SinkStep
  readonly plan: Pick<Plan, 'name' | 'baseDirectory' | 's3'>
  /** Where objects are copied to. */
  readonly directory: string
  /** Only what the checkpoints up to this one wrote; absent: all that readers see. */
  readonly through: number | undefined
}

/** The files of a `files` or `hudi` sink that its readers see, as files of this machine. */
export async function sinkFiles({ step, plan, directory, through }: SinkFilesAsk): Promise<string[]> {
  const parsed = (await loadConnector(step.connector))?.sink?.options.parse(step.options)
  const { path: place, s3 } = parsed as { readonly path: string; readonly s3?: S3Options }
  const isRemote = isS3Address(place)
  const root = isRemote ? place : path.resolve(plan.baseDirectory, place)
  if (!isRemote && !existsSync(root)) return []
  const store = await storeOpener(plan.s3)(root, { s3 })
  const owner = { job: plan.name, sink: step.id }
  const names = step.connector === 'hudi' ? await hudiFiles(store, owner, through) : await plainFiles(store, through)
  if (!isRemote) return names.map((name) => path.join(root, name))
  await mkdir(directory, { recursive: true })
  const copies: string[] = []
  for (const name of names) copies.push(await copyOf(store, name, path.join(directory, `${copies.length}`)))
  return copies
}

async function plainFiles(store: Shown, through = Infinity): Promise<string[]> {
  const names: string[] = []
  for await (const { path: name } of store.list('')) {
    const isHidden = name
      .split('/')
      .some((part, at, all) => part.startsWith('.') || (at === all.length - 1 && part.startsWith('_')))
    const checkpoint = Number(/(?:^|\/)part-(?:[0-9a-f]{8}-)?e\d+-c(\d+)-l\d+-\d+\./.exec(name)?.[1] ?? 0)
    if (!isHidden && checkpoint <= through) names.push(name)
  }
  return names
}

/** The snapshot before the first commit of a later checkpoint. What a table service did since is left out with it. */
async function hudiFiles(
  store: Shown,
  owner: Pick<Owner, 'job' | 'sink'>,
  through: number | undefined,
): Promise<readonly string[]> {
  const later = through === undefined ? undefined : await firstCommitAfter(store, owner, through)
  if (later === undefined) return (await viewHudiTable(store)).snapshot
  const isEarlier = (name: string): boolean => (/^\.hoodie\/(\d{17})\./.exec(name)?.[1] ?? '') < later
  const earlier: Shown = {
    read: (name) => store.read(name),
    async *list(prefix) {
      for await (const entry of store.list(prefix)) if (isEarlier(entry.path)) yield entry
    },
  }
  return (await viewHudiTable(earlier)).snapshot
}

/** Checkpoints commit in their order, so the newest instants are those of the newest checkpoints. */
async function firstCommitAfter(
  store: Shown,
  owner: Pick<Owner, 'job' | 'sink'>,
  through: number,
): Promise<string | undefined> {
  const names: string[] = []
  for await (const { path: name } of store.list('.hoodie/'))
    if (/^\.hoodie\/\d{17}\.commit$/.test(name)) names.push(name)
  let first: string | undefined
  for (const name of names.toSorted().reverse()) {
    const { extraMetadata = {} } = JSON.parse(Buffer.from((await store.read(name)) ?? '{}').toString('utf8')) as {
      readonly extraMetadata?: Readonly<Record<string, string>>
    }
    const found = ownerFromExtra(extraMetadata)
    if (found === undefined || !isSameSink(owner, found)) continue
    if (found.checkpoint <= through) break
    first = path.basename(name).slice(0, 17)
  }
  return first
}

const PIECE_BYTES = 8 << 20

/** With its own name behind the number: the extension says how it is compressed. */
async function copyOf(store: FileStore, name: string, target: string): Promise<string> {
  const file = `${target}-${path.basename(name)}`
  await using out = await open(file, 'w')
  for (let from = 0; ; from += PIECE_BYTES) {
    const piece = await store.readRange(name, from, from + PIECE_BYTES)
    if (piece === undefined)
      throw new MillraceError(`${store.root}/${name} was removed while it was read: compare again`, {
        code: 'STORE_IO',
        retry: 'retry',
      })
    await out.write(piece)
    if (piece.length < PIECE_BYTES) return file
  }
}
