/** The Apache REST catalog: tables are found there, followed there, and refused when they are not there. */
import assert from 'node:assert/strict'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { startIcebergRest, type IcebergRestService } from '../../../scripts/services/iceberg-rest.ts'
import { IcebergMaker } from '../../testkit/iceberg-maker.ts'
import { OpenedIceberg } from '../../testkit/iceberg-tables.ts'

let server: IcebergRestService
before(async () => {
  server = await startIcebergRest()
  await server.createNamespace('db')
})
after(() => server[Symbol.asyncDispose]())

test('a table of the catalog is read, and followed when the catalog shows a newer one', async () => {
  await using directory = await mkdtempDisposable(path.join(tmpdir(), 'millrace-iceberg-'))
  await using table = await IcebergMaker.create(directory.path, [{ name: 'id', type: 'long' }])
  const metadataFile = (version: number): string => path.join(directory.path, 'metadata', `v${version}.metadata.json`)
  await table.append(['SELECT i AS id FROM range(100) r(i)', 'SELECT 100 + i AS id FROM range(100) r(i)'])
  await server.register('db', 'numbers', metadataFile(2))
  const options = { catalog: { uri: server.uri }, namespace: 'db', name: 'numbers', discoveryInterval: '100ms' }

  await using source = await OpenedIceberg.open(options)
  assert.deepEqual(source.schema, [{ name: 'id', type: 'bigint', nullable: true }])
  assert.equal((await source.readAll()).length, 200)

  await using followed = await OpenedIceberg.open({ ...options, follow: true })
  const reader = followed.reader()
  reader.assign(await followed.discover())
  const ids = new Set<unknown>()
  const signal = AbortSignal.timeout(20_000)
  let grown = false
  while (ids.size < 300) {
    assert.ok(!signal.aborted, `${ids.size} of 300 rows came`)
    for (const item of await reader.poll(signal)) {
      if (item.kind !== 'batch') continue
      for (const line of await followed.rows(item)) ids.add(line)
      item.release()
    }
    if (ids.size < 200 || grown) continue
    grown = true
    await table.append(['SELECT 200 + i AS id FROM range(100) r(i)'])
    await server.register('db', 'numbers', metadataFile(3))
  }
  await reader.close()
})

test('a table that the catalog does not know is refused', async () => {
  const options = { catalog: { uri: server.uri }, namespace: 'db', name: 'nothing' }
  await assert.rejects(OpenedIceberg.open(options), { code: 'CONFIG', message: /db\.nothing/ })
})
