import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { MillraceError } from '../core/errors.ts'
import { fileStoreSuite } from '../testkit/file-store-suite.ts'
import { type Disk, type DiskFile, nodeDisk } from './disk.ts'
import { LocalFileStore } from './local-file-store.ts'

fileStoreSuite('the local store', async () => {
  const directory = await openDirectory()
  return { store: await LocalFileStore.open(directory.path), [Symbol.asyncDispose]: directory[Symbol.asyncDispose] }
})

test('a created file is synced before it gets its name, and the name before create returns', async () => {
  await using directory = await openDirectory()
  const { disk, calls } = recordingDisk()
  const store = await LocalFileStore.open(directory.path, { disk })
  await store.create('log/first', Buffer.from('1'))
  calls.length = 0
  await store.create('log/second', Buffer.from('2'))
  assert.deepEqual(calls, ['createFile', 'write', 'sync', 'close', 'link', 'syncDirectory', 'unlink'])
  calls.length = 0
  assert.equal(await store.create('log/second', Buffer.from('3')), 'exists')
  assert.deepEqual(calls, ['createFile', 'write', 'sync', 'close', 'link', 'syncDirectory', 'unlink'])
})

test('a replaced file is synced before the rename and the directory after it', async () => {
  await using directory = await openDirectory()
  const { disk, calls } = recordingDisk()
  const store = await LocalFileStore.open(directory.path, { disk })
  await store.replace('a', Buffer.from('1'))
  calls.length = 0
  await store.replace('a', Buffer.from('2'))
  assert.deepEqual(calls, ['createFile', 'write', 'sync', 'close', 'rename', 'syncDirectory'])
})

test('every new directory is made durable in its parent', async () => {
  await using directory = await openDirectory()
  const { disk, calls } = recordingDisk()
  const store = await LocalFileStore.open(directory.path, { disk })
  await store.create('x', Buffer.from('1'))
  calls.length = 0
  await store.create('a/b/c', Buffer.from('1'))
  const made = ['makeDirectory', 'syncDirectory', 'makeDirectory', 'syncDirectory']
  assert.deepEqual(calls, ['createFile', 'write', 'sync', 'close', ...made, 'link', 'syncDirectory', 'unlink'])
})

test('the store makes the directories above its own, each durable before the next', async () => {
  await using directory = await openDirectory()
  const { disk, calls } = recordingDisk()
  const root = join(directory.path, 'lake', 'of', 'clicks')
  await LocalFileStore.open(root, { disk })
  const failed = 'makeDirectory'
  const made = ['makeDirectory', 'syncDirectory']
  assert.deepEqual(calls, [failed, failed, ...made, ...made, ...made])
  await LocalFileStore.open(root, { disk: recordingDisk(new Map([['syncDirectory', 'EACCES']])).disk })
  const deeper = join(root, 'of', 'lanes')
  await Promise.all([1, 2, 3].map(() => LocalFileStore.open(deeper)))
  assert.deepEqual(await readdir(root), ['of'])
  await using other = await openDirectory()
  const failing = recordingDisk(new Map([['syncDirectory', 'EIO']])).disk
  await assert.rejects(LocalFileStore.open(join(other.path, 'a', 'b'), { disk: failing }), isHalt)
})

test('after a failed sync every later change is refused, for nobody knows what is on the disk', async () => {
  for (const failing of ['sync', 'syncDirectory'] as const) {
    await using directory = await openDirectory()
    const failures = new Map<string, string>()
    const store = await LocalFileStore.open(directory.path, { disk: recordingDisk(failures).disk })
    await store.create('before', Buffer.from('1'))
    failures.set(failing, 'EIO')
    await assert.rejects(store.create('a', Buffer.from('1')), isHalt)
    failures.clear()
    await assert.rejects(store.create('a', Buffer.from('1')), isHalt)
    await assert.rejects(store.replace('b', Buffer.from('1')), isHalt)
    await assert.rejects(store.remove('before'), isHalt)
    await assert.rejects(store.openWriter('c'), isHalt)
    assert.equal((await store.read('before'))?.byteLength, 1)
  }
})

test('a full disk may be tried again, a broken or read-only one may not', async () => {
  for (const [code, retry] of [
    ['ENOSPC', 'retry'],
    ['EIO', 'halt'],
    ['EROFS', 'halt'],
  ] as const) {
    await using directory = await openDirectory()
    const failures = new Map<string, string>()
    const store = await LocalFileStore.open(directory.path, { disk: recordingDisk(failures).disk })
    failures.set('write', code)
    await assert.rejects(store.create('a', Buffer.from('1')), (thrown: unknown) => {
      assert.ok(thrown instanceof MillraceError)
      assert.equal(thrown.code, 'STORE_IO')
      assert.equal(thrown.retry, retry)
      assert.match(thrown.message, new RegExp(`writing .*/a: the .*\\(${code}\\)`))
      return true
    })
    failures.clear()
    assert.equal(await store.create('a', Buffer.from('1')), 'created')
    assert.deepEqual(await readdir(join(directory.path, '.millrace-tmp')), [])
  }
})

test('a writer that met an error cannot be finished', async () => {
  await using directory = await openDirectory()
  const failures = new Map<string, string>()
  const store = await LocalFileStore.open(directory.path, { disk: recordingDisk(failures).disk })
  const writer = await store.openWriter('big')
  failures.set('write', 'ENOSPC')
  await assert.rejects(writer.write(Buffer.from('x')), MillraceError)
  failures.clear()
  await assert.rejects(writer.finish(), MillraceError)
  await writer.abort()
  assert.equal(await store.size('big'), undefined)
  assert.deepEqual(await readdir(join(directory.path, '.millrace-tmp')), [])
})

test('symbolic links are not followed, neither as a file nor as a directory that leads out', async () => {
  await using outside = await openDirectory()
  await using directory = await openDirectory()
  await writeFile(join(outside.path, 'secret'), 'secret')
  await symlink(outside.path, join(directory.path, 'out'))
  await symlink(join(outside.path, 'secret'), join(directory.path, 'file'))
  const store = await LocalFileStore.open(directory.path)
  for (const path of ['out/secret', 'file']) {
    await assert.rejects(store.read(path), MillraceError)
    await assert.rejects(store.size(path), MillraceError)
  }
  await assert.rejects(store.create('out/new', Buffer.from('x')), MillraceError)
  await assert.rejects(store.replace('out/secret', Buffer.from('x')), MillraceError)
  await assert.rejects(store.remove('out/secret'), MillraceError)
  await assert.rejects(Array.fromAsync(store.list('out/')), MillraceError)
  assert.deepEqual(await Array.fromAsync(store.list('')), [])
  assert.deepEqual(await readdir(outside.path), ['secret'])
})

test('temporary files are hidden from listings, refused as paths, and removed on request', async () => {
  await using directory = await openDirectory()
  const store = await LocalFileStore.open(directory.path, { tempPrefix: '.hidden/tmp/' })
  const writer = await store.openWriter('never-finished')
  assert.equal((await readdir(join(directory.path, '.hidden/tmp'))).length, 1)
  assert.deepEqual(await Array.fromAsync(store.list('')), [])
  assert.deepEqual(await Array.fromAsync(store.list('.hidden/tmp/')), [])
  await assert.rejects(store.read('.hidden/tmp/x'), MillraceError)
  assert.equal(await store.removeTemps(), 1)
  assert.deepEqual(await readdir(join(directory.path, '.hidden/tmp')), [])
  await writer.abort()
})

test('a directory that somebody removed is made again', async () => {
  await using directory = await openDirectory()
  const store = await LocalFileStore.open(directory.path)
  await store.create('p/q/a', Buffer.from('1'))
  await rm(join(directory.path, 'p'), { recursive: true })
  assert.equal(await store.create('p/q/b', Buffer.from('1')), 'created')
  assert.equal(await store.size('p/q/b'), 1)
})

test('a directory goes with its last file, as on object storage', async () => {
  await using directory = await openDirectory()
  const store = await LocalFileStore.open(directory.path)
  await store.create('keep/x', Buffer.from('1'))
  await store.create('keep/p/q/a', Buffer.from('1'))
  await store.remove('keep/p/q/a')
  assert.deepEqual(await readdir(join(directory.path, 'keep')), ['x'])
  assert.equal(await store.create('keep/p/q/a', Buffer.from('1')), 'created')
})

test('files are created while others remove the last file of the same directory', async () => {
  await using directory = await openDirectory()
  const [one, two] = [await LocalFileStore.open(directory.path), await LocalFileStore.open(directory.path)]
  const churn = async (store: LocalFileStore, name: string): Promise<void> => {
    for (let round = 0; round < 30; round++) {
      assert.equal(await store.create(`d/e/${name}`, Buffer.from(name)), 'created')
      await store.remove(`d/e/${name}`)
    }
  }
  await Promise.all([churn(one, 'a'), churn(two, 'b')])
  assert.deepEqual(await Array.fromAsync(one.list('')), [])
})

function isHalt(thrown: unknown): boolean {
  return thrown instanceof MillraceError && thrown.retry === 'halt' && thrown.code === 'STORE_IO'
}

async function openDirectory(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'millrace-store-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}

/** The real disk, with the names of all changing calls noted, and with errors for the calls named in `failures`. */
function recordingDisk(failures: ReadonlyMap<string, string> = new Map()): { disk: Disk; calls: string[] } {
  const calls: string[] = []
  const note = (call: string): void => {
    calls.push(call)
    const code = failures.get(call)
    if (code !== undefined) throw Object.assign(new Error(`${code}: injected`), { code })
  }
  const disk: Disk = {
    ...nodeDisk,
    makeDirectory: async (path) => {
      if (path.endsWith('.millrace-tmp') === false) note('makeDirectory')
      await nodeDisk.makeDirectory(path)
    },
    createFile: async (path) => {
      note('createFile')
      return recordingFile(await nodeDisk.createFile(path), note)
    },
    link: async (from, to) => {
      note('link')
      await nodeDisk.link(from, to)
    },
    rename: async (from, to) => {
      note('rename')
      await nodeDisk.rename(from, to)
    },
    unlink: async (path) => {
      note('unlink')
      await nodeDisk.unlink(path)
    },
    syncDirectory: async (path) => {
      note('syncDirectory')
      await nodeDisk.syncDirectory(path)
    },
  }
  return { disk, calls }
}

function recordingFile(file: DiskFile, note: (call: string) => void): DiskFile {
  return {
    write: async (bytes) => {
      note('write')
      await file.write(bytes)
    },
    sync: async () => {
      note('sync')
      await file.sync()
    },
    close: async () => {
      note('close')
      await file.close()
    },
  }
}
