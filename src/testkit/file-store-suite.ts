import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { MillraceError } from '../core/errors.ts'
import type { FileEntry, FileStore } from '../core/file-store.ts'

/** A store with nothing in it, and a way to throw it away. */
export interface OpenedFileStore extends AsyncDisposable {
  readonly store: FileStore
}

/** What every implementation of `FileStore` promises. Call it from the implementation's test file. */
export function fileStoreSuite(name: string, open: () => Promise<OpenedFileStore>): void {
  describe(`${name} keeps the promises of a file store`, () => {
    contentTests(open)
    listingTests(open)
    writerTests(open)
    pathTests(open)
  })
}

function contentTests(open: () => Promise<OpenedFileStore>): void {
  test('what was created is read back, whole', async () => {
    await using opened = await open()
    const bytes = Uint8Array.from({ length: 70_000 }, (_, at) => at % 251)
    assert.equal(await opened.store.create('deep/er/file', bytes), 'created')
    assert.deepEqual(new Uint8Array((await opened.store.read('deep/er/file')) ?? []), bytes)
    assert.equal(await opened.store.size('deep/er/file'), 70_000)
  })

  test('create leaves the file of the first writer alone', async () => {
    await using opened = await open()
    assert.equal(await opened.store.create('a', text('first')), 'created')
    assert.equal(await opened.store.create('a', text('second')), 'exists')
    assert.equal(await readText(opened.store, 'a'), 'first')
  })

  test('of many who create the same file at once exactly one wins, and its bytes are there', async () => {
    await using opened = await open()
    const results = await Promise.all(
      Array.from({ length: 12 }, async (_, who) => ({ who, result: await opened.store.create('x/y', text(`${who}`)) })),
    )
    const winners = results.filter((each) => each.result === 'created')
    assert.equal(winners.length, 1)
    assert.equal(await readText(opened.store, 'x/y'), `${winners[0]?.who}`)
  })

  test('replace makes and overwrites', async () => {
    await using opened = await open()
    await opened.store.replace('a/b', text('one'))
    await opened.store.replace('a/b', text('two, longer'))
    assert.equal(await readText(opened.store, 'a/b'), 'two, longer')
  })

  test('an empty file exists', async () => {
    await using opened = await open()
    assert.equal(await opened.store.create('empty', text('')), 'created')
    assert.equal(await opened.store.size('empty'), 0)
    assert.equal((await opened.store.read('empty'))?.byteLength, 0)
  })

  test('what is not there has no bytes and no size, and may be removed', async () => {
    await using opened = await open()
    assert.equal(await opened.store.read('no/such'), undefined)
    assert.equal(await opened.store.size('no/such'), undefined)
    await opened.store.remove('no/such')
  })

  test('a range is the bytes from start up to end, and ends where the file ends', async () => {
    await using opened = await open()
    await opened.store.create('r', text('0123456789'))
    const range = async (start: number, end: number): Promise<string | undefined> => {
      const bytes = await opened.store.readRange('r', start, end)
      return bytes === undefined ? undefined : Buffer.from(bytes).toString()
    }
    assert.equal(await range(0, 3), '012')
    assert.equal(await range(4, 5), '4')
    assert.equal(await range(7, 20), '789')
    assert.equal(await range(10, 20), '')
    assert.equal(await range(30, 40), '')
    assert.equal(await range(2, 2), '')
    assert.equal(await opened.store.readRange('no/such', 0, 3), undefined)
    assert.equal(await opened.store.readRange('no/such', 3, 3), undefined)
    await opened.store.create('empty', text(''))
    assert.equal((await opened.store.readRange('empty', 0, 5))?.byteLength, 0)
    await assert.rejects(opened.store.readRange('r', 5, 4), isMillraceError)
    await assert.rejects(opened.store.readRange('../r', 0, 1), isMillraceError)
  })

  test('a removed file is gone and may be created again', async () => {
    await using opened = await open()
    await opened.store.create('d/a', text('1'))
    await opened.store.remove('d/a')
    assert.equal(await opened.store.read('d/a'), undefined)
    assert.equal(await opened.store.create('d/a', text('2')), 'created')
  })
}

function listingTests(open: () => Promise<OpenedFileStore>): void {
  test('list finds every file below a prefix, at any depth, with its size, and nothing else', async () => {
    await using opened = await open()
    for (const path of ['top', 'log/001', 'log/002', 'log/sub/003', 'logs/004', 'log.txt']) {
      await opened.store.create(path, text(path))
    }
    assert.deepEqual(await paths(opened.store, 'log/'), ['log/001', 'log/002', 'log/sub/003'])
    assert.deepEqual(await paths(opened.store, 'log'), ['log.txt', 'log/001', 'log/002', 'log/sub/003', 'logs/004'])
    assert.deepEqual(await paths(opened.store, 'log/00'), ['log/001', 'log/002'])
    assert.deepEqual(await paths(opened.store, 'log/s'), ['log/sub/003'])
    assert.equal((await paths(opened.store, '')).length, 6)
    assert.deepEqual(await paths(opened.store, 'nothing/'), [])
    for (const entry of await entries(opened.store, '')) assert.equal(entry.size, entry.path.length)
  })
}

function writerTests(open: () => Promise<OpenedFileStore>): void {
  test('a writer shows nothing before it has finished, then everything', async () => {
    await using opened = await open()
    const writer = await opened.store.openWriter('part/file')
    const buffer = text('hello ')
    await writer.write(buffer)
    buffer.fill(0)
    await writer.write(text('world'))
    assert.equal(writer.bytes, 11)
    assert.equal(await opened.store.read('part/file'), undefined)
    assert.deepEqual(await paths(opened.store, ''), [])
    assert.deepEqual(await writer.finish(), { path: 'part/file', size: 11 })
    assert.equal(await readText(opened.store, 'part/file'), 'hello world')
    assert.deepEqual(await paths(opened.store, ''), ['part/file'])
  })

  test('an aborted writer leaves nothing, and abort after finish does nothing', async () => {
    await using opened = await open()
    const dropped = await opened.store.openWriter('a')
    await dropped.write(text('x'))
    await dropped.abort()
    await dropped.abort()
    assert.deepEqual(await paths(opened.store, ''), [])
    const kept = await opened.store.openWriter('b')
    await kept.write(text('y'))
    await kept.finish()
    await kept.abort()
    assert.equal(await readText(opened.store, 'b'), 'y')
  })

  test('a repeated finish of the same size is accepted, another size is refused and the first file stays', async () => {
    await using opened = await open()
    for (const content of ['same', 'SAME']) {
      const writer = await opened.store.openWriter('f')
      await writer.write(text(content))
      assert.equal((await writer.finish()).size, 4)
    }
    const other = await opened.store.openWriter('f')
    await other.write(text('longer'))
    await assert.rejects(other.finish(), isMillraceError)
    await other.abort()
    assert.equal(await readText(opened.store, 'f'), 'same')
  })
}

function pathTests(open: () => Promise<OpenedFileStore>): void {
  for (const path of ['', '/a', 'a/', 'a//b', '..', 'a/../../b', './a', 'a/.', 'a\0b']) {
    test(`the path ${JSON.stringify(path)} is refused by every method`, async () => {
      await using opened = await open()
      const { store } = opened
      await assert.rejects(store.read(path), isMillraceError)
      await assert.rejects(store.create(path, text('x')), isMillraceError)
      await assert.rejects(store.replace(path, text('x')), isMillraceError)
      await assert.rejects(store.remove(path), isMillraceError)
      await assert.rejects(store.size(path), isMillraceError)
      await assert.rejects(store.openWriter(path), isMillraceError)
      assert.deepEqual(await paths(store, ''), [])
    })
  }

  test('a listing cannot leave the root either', async () => {
    await using opened = await open()
    for (const prefix of ['../', '/', 'a/../', 'a\0'])
      await assert.rejects(paths(opened.store, prefix), isMillraceError)
  })
}

function text(value: string): Uint8Array {
  return Buffer.from(value)
}

async function readText(store: FileStore, path: string): Promise<string | undefined> {
  const bytes = await store.read(path)
  return bytes === undefined ? undefined : Buffer.from(bytes).toString()
}

async function entries(store: FileStore, prefix: string): Promise<FileEntry[]> {
  return await Array.fromAsync(store.list(prefix))
}

async function paths(store: FileStore, prefix: string): Promise<string[]> {
  return (await entries(store, prefix)).map((entry) => entry.path).toSorted()
}

function isMillraceError(thrown: unknown): boolean {
  return thrown instanceof MillraceError
}
