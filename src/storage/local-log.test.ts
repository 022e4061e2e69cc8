import assert from 'node:assert/strict'
import { test } from 'node:test'
import { foldLineage } from '../checkpoint/lineage.ts'
import { CrashFs } from '../testkit/crash-fs.ts'
import { draftOf, overLocal } from '../testkit/ledger-drafts.ts'
import { Ledger } from './ledger.ts'
import { LocalLog } from './local-log.ts'

const now = (): number => 0

test('a slot is taken once, and what stands in it is the first one’s', () => {
  const log = new LocalLog('/state/job', 'a', new CrashFs().fs)
  assert.equal(log.append(0, Buffer.from('one')), 'appended')
  assert.equal(log.append(0, Buffer.from('two')), 'exists')
  assert.deepEqual([log.list(0), String(log.read(0)), log.read(1)], [[0], 'one', undefined])
})

test('temporary files are not slots and do not stay', () => {
  const disk = new CrashFs()
  const log = new LocalLog('/state/job', 'a', disk.fs)
  log.append(7, Buffer.from('x'))
  log.append(7, Buffer.from('y'))
  assert.deepEqual(disk.fs.readdirSync('/state/job/log'), ['000000000007'])
})

test('temporary files of the dead go with the first entry of the next process, its own and later ones stay', () => {
  const disk = new CrashFs()
  const killed = new LocalLog('/state/job', '7', disk.fs)
  disk.before = (call) => {
    if (call === 'unlink' || call === 'link') throw Object.assign(new Error('killed'), { code: 'EIO' })
  }
  for (let kill = 0; kill < 3; kill++) assert.throws(() => killed.append(0, Buffer.from('x')))
  disk.before = () => undefined
  assert.equal(disk.fs.readdirSync('/state/job/log').length, 3)
  const reader = new LocalLog('/state/job', '8', disk.fs)
  assert.deepEqual(reader.list(0), [])
  assert.equal(disk.fs.readdirSync('/state/job/log').length, 3, 'looking takes nothing away')
  // The same process id again, as in every container.
  const next = new LocalLog('/state/job', '7', disk.fs)
  let others = 0
  disk.before = (call) => {
    if (call === 'link' && others++ === 0)
      disk.fs.closeSync(disk.fs.openSync('/state/job/log/.tmp-of-a-later-one', 'wx'))
  }
  assert.equal(next.append(0, Buffer.from('claim')), 'appended')
  assert.equal(next.append(1, Buffer.from('more')), 'appended')
  assert.deepEqual(disk.fs.readdirSync('/state/job/log').sort(), [
    '.tmp-of-a-later-one',
    '000000000000',
    '000000000001',
  ])
})

test('a sleeper whose temporary file was taken away finds its slot taken', () => {
  const disk = new CrashFs()
  const sleeper = new LocalLog('/state/job', 'a', disk.fs)
  sleeper.append(0, Buffer.from('claim'))
  let isAsleep = true
  disk.before = (call) => {
    if (call !== 'link' || !isAsleep) return
    isAsleep = false
    assert.equal(new LocalLog('/state/job', 'b', disk.fs).append(1, Buffer.from('twin')), 'appended')
    assert.deepEqual(disk.fs.readdirSync('/state/job/log').sort(), ['000000000000', '000000000001'])
  }
  assert.equal(sleeper.append(1, Buffer.from('late')), 'exists')
  assert.equal(String(sleeper.read(1)), 'twin')
})

test('a temporary file that vanished without a twin is an error of the store, not a lost race', () => {
  const disk = new CrashFs()
  const log = new LocalLog('/state/job', 'a', disk.fs)
  disk.before = (call) => {
    if (call === 'link')
      for (const name of disk.fs.readdirSync('/state/job/log')) disk.fs.unlinkSync(`/state/job/log/${name}`)
  }
  assert.throws(() => log.append(0, Buffer.from('x')), { code: 'STORE_IO', retry: 'halt' })
})

/** A claim, three checkpoints with their confirmations, and garbage collection; `acked` after each change. */
async function threeCheckpoints(disk: CrashFs): Promise<{ at: number; seq: number; bytes: string }[]> {
  const acked: { at: number; seq: number; bytes: string }[] = []
  const local = new LocalLog('/state/job', 'a', disk.fs)
  const log = overLocal(local, (seq, bytes) => {
    acked.push({ at: disk.changes.length, seq, bytes: Buffer.from(bytes).toString() })
  })
  const ledger = await Ledger.claim(log, 'job', 'a', now)
  for (const checkpoint of [1, 2, 3]) {
    await ledger.publish(draftOf(checkpoint))
    await ledger.confirm(checkpoint)
    await ledger.collect(1)
  }
  return acked
}

test('whenever the machine dies, what was appended is there, whole, and what was not is whole or absent', async () => {
  const disk = new CrashFs()
  const acked = await threeCheckpoints(disk)
  const kept = new Set(new LocalLog('/state/job', 'c', disk.fs).list(0))
  let states = 0
  for (let count = 0; count <= disk.changes.length; count++) {
    for (const crashed of disk.crashes(count, 4)) {
      states++
      const log = overLocal(new LocalLog('/state/job', 'b', crashed.fs))
      const entries = await Ledger.read(log)
      for (const { at, seq, bytes } of acked) {
        if (at > count || !kept.has(seq)) continue
        assert.equal(String(await log.read(seq)), bytes, `entry ${seq} after ${count} changes`)
      }
      const { newest, confirmedUpTo } = foldLineage(entries)
      const confirmed = acked.filter(({ at, bytes }) => at <= count && bytes.includes('"kind":"confirm"')).length
      assert.ok(confirmedUpTo >= confirmed && (newest?.checkpoint ?? 0) >= confirmed)
      // And the next start goes on from there.
      assert.ok((await Ledger.claim(log, 'job', 'b', now)).epoch >= 1)
    }
  }
  assert.ok(states > 300, `${states} states`)
})

for (const code of ['EIO', 'ENOSPC']) {
  test(`${code} at every call: an append fails, and is published only if its name is there`, async () => {
    const calls: string[] = []
    const rehearsal = new CrashFs()
    const first = new LocalLog('/state/job', 'a', rehearsal.fs)
    rehearsal.before = (call) => void calls.push(call)
    first.append(0, Buffer.from('entry'))
    for (const [nth, failing] of calls.entries()) {
      const disk = new CrashFs()
      const log = new LocalLog('/state/job', 'a', disk.fs)
      let call = 0
      disk.before = (name) => {
        if (call++ === nth) throw Object.assign(new Error(`${code}: ${name}`), { code })
      }
      const isCleanUp = failing === 'unlink' || failing === 'readdir'
      if (isCleanUp) assert.equal(log.append(0, Buffer.from('entry')), 'appended')
      else assert.throws(() => log.append(0, Buffer.from('entry')), { code: 'STORE_IO' }, failing)
      const isNamed = isCleanUp || calls.slice(0, nth).includes('link')
      assert.deepEqual(log.list(0), isNamed ? [0] : [], failing)
      if (isNamed) assert.equal(String(log.read(0)), 'entry')
    }
  })
}

test('a failed sync is final: the kernel may call the next one a success without having written', () => {
  for (const kind of ['fsync', 'fsync-directory']) {
    const disk = new CrashFs()
    const log = new LocalLog('/state/job', 'a', disk.fs)
    disk.before = (call) => {
      if (call === kind) throw Object.assign(new Error('EIO'), { code: 'EIO' })
    }
    assert.throws(() => log.append(0, Buffer.from('x')), { code: 'STORE_IO', retry: 'halt' })
    disk.before = () => undefined
    assert.throws(() => log.append(1, Buffer.from('y')), { code: 'STORE_IO', retry: 'halt' })
  }
})

test('a full disk fails the checkpoint, not the process: once there is room it goes on', () => {
  const disk = new CrashFs()
  const log = new LocalLog('/state/job', 'a', disk.fs)
  disk.before = (call) => {
    if (call === 'write') throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' })
  }
  assert.throws(() => log.append(0, Buffer.from('x')), { code: 'STORE_IO', retry: 'restart', message: /disk is full/ })
  disk.before = () => undefined
  assert.equal(log.append(0, Buffer.from('x')), 'appended')
})
