/**
 * What a reader sees of a Hudi table, version 6, copy on write, and what is wrong with it. Written from the rules of the
 * readers (isFileSliceCommitted in HoodieFileGroup.java, HoodieTableMetaClient.java and AbstractTableFileSystemView.java
 * of Apache Hudi; crates/core/src/file_group of hudi-rs 0.4), not from our writer: it shares no code with it.
 */
import { crc32 } from 'node:zlib'
import type { FileStore } from '../core/file-store.ts'

export interface HudiView {
  /** Data files that Spark, Flink, Hive and hudi-rs 0.5 read. */
  readonly snapshot: readonly string[]
  /** Data files that hudi-rs 0.4 reads: it does not ask whether an instant completed. */
  readonly upToNewest: readonly string[]
  /** Every data file on disk: readers that only list directories. */
  readonly listed: readonly string[]
  /** Pending instants that add data. */
  readonly pending: readonly string[]
  /** Rows of the snapshot by the write statistics. */
  readonly rows: number
  readonly problems: readonly string[]
}

interface BaseFile {
  readonly path: string
  readonly folder: string
  readonly fileId: string
  readonly instant: string
  readonly size: number
}

interface Stat {
  readonly fileId: string
  readonly path: string
  readonly numWrites: number
  readonly fileSizeInBytes: number
}

interface Commit {
  readonly partitionToWriteStats?: Readonly<Record<string, readonly Stat[]>>
  readonly partitionToReplaceFileIds?: Readonly<Record<string, readonly string[]>>
  readonly extraMetadata?: Readonly<Record<string, string>>
}

/** @param archived times of instants that left the active timeline and are in an archive. */
export async function viewHudiTable(
  store: Pick<FileStore, 'list' | 'read'>,
  archived: ReadonlySet<string> = new Set(),
): Promise<HudiView> {
  const sizes = new Map<string, number>()
  for await (const { path, size } of store.list('')) sizes.set(path, size)
  const read = async (path: string): Promise<string> => Buffer.from((await store.read(path)) ?? []).toString()
  const problems = checkProperties(await read('.hoodie/hoodie.properties'))

  const instantFiles = [...sizes.keys()].flatMap((path) => /^\.hoodie\/(\d{17})\.(.+)$/.exec(path) ?? [])
  const names = instantFiles.filter((part) => part.startsWith('.hoodie/')).map((path) => path.slice('.hoodie/'.length))
  const completed = names.filter((name) => /^\d{17}\.(commit|replacecommit)$/.test(name)).toSorted()
  const done = new Set(completed.map((name) => name.slice(0, 17)))
  const pending = new Set(
    names.filter((name) => /^\d{17}\.(inflight|(replace)?commit\.(requested|inflight))$/.test(name)).map(timeOf),
  )
  for (const time of done) pending.delete(time)
  const first = completed[0] === undefined ? undefined : timeOf(completed[0])
  const newest = completed.at(-1)

  const commits = new Map<string, Commit>()
  for (const name of completed) commits.set(timeOf(name), JSON.parse(await read(`.hoodie/${name}`)) as Commit)
  const base = [...sizes].flatMap(([path, size]) => baseFile(path, size))
  const replaced = new Set<string>()
  for (const { partitionToReplaceFileIds } of commits.values()) {
    for (const [folder, ids] of Object.entries(partitionToReplaceFileIds ?? {})) {
      for (const id of ids) replaced.add(`${folder}|${id}`)
    }
  }
  const isCommitted = ({ instant }: BaseFile): boolean => done.has(instant) || (first !== undefined && instant < first)
  const snapshot = latest(base.filter(isCommitted)).filter((file) => !replaced.has(`${file.folder}|${file.fileId}`))
  const upToNewest = latest(base.filter(({ instant }) => newest !== undefined && instant <= timeOf(newest)))

  problems.push(...checkCommits(commits, sizes, replaced), ...checkFolders(base, sizes))
  problems.push(...checkFiles(base, commits, { first, archived }))
  const rowsOf = new Map<string, number>()
  for (const commit of commits.values()) for (const stat of statsOf(commit)) rowsOf.set(stat.path, stat.numWrites)
  return {
    snapshot: pathsOf(snapshot),
    upToNewest: pathsOf(upToNewest.filter((file) => !replaced.has(`${file.folder}|${file.fileId}`))),
    listed: pathsOf(base),
    pending: [...pending].toSorted(),
    rows: snapshot.reduce((sum, { path }) => sum + (rowsOf.get(path) ?? Number.NaN), 0),
    problems,
  }
}

function checkProperties(text: string): string[] {
  const value = (key: string): string | undefined => new RegExp(`^${key}=(.*)$`, 'm').exec(text)?.[1]
  const problems: string[] = []
  const expect = (key: string, wanted: string): void => {
    if (value(key) !== wanted) problems.push(`${key} is ${value(key)}`)
  }
  expect('hoodie.table.version', '6')
  expect('hoodie.timeline.layout.version', '1')
  expect('hoodie.table.type', 'COPY_ON_WRITE')
  const checksum = crc32(`${value('hoodie.database.name') ?? ''}.${value('hoodie.table.name')}`)
  expect('hoodie.table.checksum', String(checksum))
  if ((value('hoodie.table.metadata.partitions') ?? '') !== '') problems.push('there is a metadata table')
  return problems
}

function checkCommits(
  commits: ReadonlyMap<string, Commit>,
  sizes: ReadonlyMap<string, number>,
  replaced: ReadonlySet<string>,
): string[] {
  const problems: string[] = []
  for (const [time, commit] of commits) {
    const stats = statsOf(commit)
    if (stats.length === 0 && commit.partitionToReplaceFileIds === undefined)
      problems.push(`${time}: commit without files`)
    if (commit.extraMetadata?.['schema'] === undefined) problems.push(`${time}: commit without a schema`)
    for (const { path, fileId, fileSizeInBytes } of stats) {
      const isCleaned = !sizes.has(path) && replaced.has(`${folderOf(path)}|${fileId}`)
      if (!isCleaned && sizes.get(path) !== fileSizeInBytes)
        problems.push(`${path}: ${sizes.get(path)} bytes, not ${fileSizeInBytes}`)
    }
  }
  return problems
}

/** No file may carry a committed instant without being in that commit, nor be older than the timeline. */
function checkFiles(
  base: readonly BaseFile[],
  commits: ReadonlyMap<string, Commit>,
  { first, archived }: { readonly first: string | undefined; readonly archived: ReadonlySet<string> },
): string[] {
  const problems: string[] = []
  const seen = new Set<string>()
  for (const { path, fileId, instant } of base) {
    const commit = commits.get(instant)
    const listed = commit !== undefined && statsOf(commit).some((stat) => stat.path === path && stat.fileId === fileId)
    if (commit !== undefined && !listed) problems.push(`${path}: carries a committed instant but is not in the commit`)
    const isOld = first !== undefined && instant < first
    if (isOld && !archived.has(instant)) problems.push(`${path}: older than the active timeline`)
    if (seen.has(`${fileId}_${instant}`)) problems.push(`${path}: second file of the same group and instant`)
    seen.add(`${fileId}_${instant}`)
  }
  return problems
}

function checkFolders(base: readonly BaseFile[], sizes: ReadonlyMap<string, number>): string[] {
  const folders = new Set(base.map(({ folder }) => folder))
  return [...folders]
    .filter((folder) => folder !== '' && !sizes.has(`${folder}/.hoodie_partition_metadata`))
    .map((folder) => `${folder}: Spark does not find a partition without .hoodie_partition_metadata`)
}

function baseFile(path: string, size: number): BaseFile[] {
  const parts = /^((?:[^.][^/]*\/)*)([a-zA-Z0-9-]+)_[a-zA-Z0-9-]+_([0-9]+)\.parquet$/.exec(path)
  if (parts === null || path.startsWith('.hoodie/')) return []
  const [, folder = '', fileId = '', instant = ''] = parts
  return [{ path, folder: folder.replace(/\/$/, ''), fileId, instant, size }]
}

function latest(files: readonly BaseFile[]): BaseFile[] {
  const byGroup = new Map<string, BaseFile>()
  for (const file of files) {
    const group = `${file.folder}|${file.fileId}`
    const known = byGroup.get(group)
    if (known === undefined || known.instant < file.instant) byGroup.set(group, file)
  }
  return [...byGroup.values()]
}

function statsOf(commit: Commit): readonly Stat[] {
  return Object.values(commit.partitionToWriteStats ?? {}).flat()
}

function pathsOf(files: readonly BaseFile[]): string[] {
  return files.map(({ path }) => path).toSorted()
}

function folderOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')))
}

function timeOf(name: string): string {
  return name.slice(0, 17)
}
