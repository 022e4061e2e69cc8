import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openTemporaryStore, type TemporaryStore } from '../../../testkit/temporary-store.ts'
import type { LoadStream } from '../outcomes.ts'
import { BodyKeeper } from './body-keeper.ts'
import { keptName, KeptRows, labelOfReload } from './kept-rows.ts'
import { labelOf } from '../labels.ts'

const BASE = { prefix: 'p', jobUid: 'j', sink: 's', table: 'd.t' }
const LABEL = labelOf({ ...BASE, writer: 1, epoch: 2, checkpoint: 7, attempt: 0 })

/** Takes what it is sent. */
class Wire implements LoadStream<string> {
  readonly label = LABEL
  readonly outcome = Promise.resolve('taken')
  text = ''
  isCut = false

  async write(chunk: Uint8Array): Promise<void> {
    this.text += Buffer.from(chunk).toString()
  }

  async end(): Promise<string> {
    return 'taken'
  }

  destroy(): void {
    this.isCut = true
  }
}

/** Two bodies, kept as a writer does. */
async function keepTwo({ store }: TemporaryStore): Promise<{ label: string; kept: ReturnType<BodyKeeper['take']> }> {
  const keeper = new BodyKeeper(async () => store, [['format', 'json']])
  for (const [index, rows] of [['[{"a":1}', ',{"a":2}]'], ['[{"a":3}]']].entries()) {
    const load = await keeper.keep(new Wire(), keptName(LABEL, index))
    await Promise.all(rows.map((row) => load.write(Buffer.from(row))))
    assert.equal(await load.end(), 'taken')
  }
  return { label: LABEL, kept: keeper.take() }
}

async function names({ store }: TemporaryStore): Promise<string[]> {
  return (await Array.fromAsync(store.list(''), ({ path }) => path)).sort()
}

test('the same bytes are sent again, body by body', async () => {
  await using temporary = await openTemporaryStore()
  const committable = await keepTwo(temporary)
  const rows = new KeptRows(async () => temporary.store)
  assert.ok(await rows.has(committable))
  const [one, two] = [new Wire(), new Wire()]
  const [first, second] = committable.kept.bodies
  assert.ok(first !== undefined && second !== undefined)
  assert.equal(await rows.send(first, one), 'taken')
  assert.equal(await rows.send(second, two), 'taken')
  assert.deepEqual([one.text, two.text], ['[{"a":1},{"a":2}]', '[{"a":3}]'])
})

test('a damaged copy is cut off before its end, and one of another size does not count as kept', async () => {
  await using temporary = await openTemporaryStore()
  const committable = await keepTwo(temporary)
  const [first] = committable.kept.bodies
  assert.ok(first !== undefined)
  await temporary.store.replace(first.path, Buffer.from('[{"a":1},{"a":9}]'))
  const wire = new Wire()
  const rows = new KeptRows(async () => temporary.store)
  await assert.rejects(rows.send(first, wire), { code: 'STORE_CORRUPT' })
  assert.ok(wire.isCut)
  await temporary.store.replace(first.path, Buffer.from('[{"a":1}]'))
  assert.equal(await rows.has(committable), false)
  assert.equal(await rows.has({ label: LABEL }), false, 'nothing was kept of it')
})

test('a sweep leaves what a checkpoint needs and what is not older than the run', async () => {
  await using temporary = await openTemporaryStore()
  const committable = await keepTwo(temporary)
  const rows = new KeptRows(async () => temporary.store)
  await rows.sweep({ below: 2, keep: [] })
  await rows.sweep({ below: 3, keep: [committable] })
  assert.equal((await names(temporary)).length, 2)
  await temporary.store.replace('not-ours', Buffer.from('x'))
  await rows.sweep({ below: 3, keep: [] })
  assert.deepEqual(await names(temporary), ['not-ours'])
  await rows.forget([committable])
})

test('a copy that fails ends the load, also when nobody waited for the piece', async () => {
  await using temporary = await openTemporaryStore()
  const { store } = temporary
  const openWriter: typeof store.openWriter = async (path) => {
    const writer = await store.openWriter(path)
    return Object.assign(Object.create(writer) as typeof writer, {
      write: async () => Promise.reject(new Error('disk full')),
      abort: () => writer.abort(),
    })
  }
  const failing = Object.assign(Object.create(store) as typeof store, { openWriter })
  const keeper = new BodyKeeper(async () => failing, [])
  const load = await keeper.keep(new Wire(), keptName(LABEL, 0))
  await load.write(Buffer.from('x')).catch(() => undefined)
  await assert.rejects(load.end(), /disk full/)
})

test('a lost transaction is loaded again under the next attempt, in the epoch that does it', () => {
  const again = labelOf({ ...BASE, writer: 1, epoch: 5, checkpoint: 7, attempt: 1, load: 3 })
  const lost = labelOf({ ...BASE, writer: 1, epoch: 2, checkpoint: 7, attempt: 0, load: 3 })
  assert.equal(labelOfReload(BASE, lost, 5), again)
})
