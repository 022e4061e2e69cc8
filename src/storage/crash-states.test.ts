import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { test } from 'node:test'
import type { LogEntry } from '../checkpoint/entries.ts'
import { foldLineage } from '../checkpoint/lineage.ts'
import { CrashFs } from '../testkit/crash-fs.ts'
import { draftOf, overLocal } from '../testkit/ledger-drafts.ts'
import { Random } from '../testkit/simulator/random.ts'
import { Ledger } from './ledger.ts'
import { LocalLog } from './local-log.ts'

/** Changes that were under way at the same time, at most: what was not synced before them is settled. */
const PENDING_MAX = 4
const HISTORIES = process.env['MILLRACE_FULL'] === '1' ? 60 : 7
const LIVES = 3

/** An entry whose append returned: after that many changes it is there whatever happens. */
interface Acked {
  readonly at: number
  readonly seq: number
  readonly bytes: string
  readonly epoch: number
  readonly published: number
  readonly confirmed: number
}

const now = (): number => 0

/** Three processes, one after the other; each publishes, confirms and collects, and dies somewhere in the middle of it. */
async function history(seed: number): Promise<{ disk: CrashFs; acked: Acked[] }> {
  const random = new Random(seed)
  const disk = new CrashFs()
  const acked: Acked[] = []
  for (let life = 1; life <= LIVES; life++) {
    disk.before = () => undefined
    const local = new LocalLog('/state/job', `p${life}`, disk.fs)
    const log = overLocal(local, (seq, bytes) => {
      acked.push(ackedOf(disk.changes.length, seq, Buffer.from(bytes).toString()))
    })
    const ledger = await Ledger.claim(log, 'job', `nonce ${life}`, now)
    let left = random.between(10, 90)
    disk.before = () => {
      // Nothing of a dead process happens any more, its clean-up included.
      if (left-- <= 0) throw Object.assign(new Error('killed'), { code: 'EIO' })
    }
    await work(ledger, random).catch(() => undefined)
  }
  return { disk, acked }
}

function ackedOf(at: number, seq: number, bytes: string): Acked {
  const { kind, epoch, checkpoint = 0 } = JSON.parse(bytes.split('\n')[0] ?? '') as LogEntry & { checkpoint?: number }
  const published = kind === 'checkpoint' ? checkpoint : 0
  return { at, seq, bytes, epoch, published, confirmed: kind === 'confirm' ? checkpoint : 0 }
}

async function work(ledger: Ledger, random: Random): Promise<void> {
  for (;;) {
    const { nextCheckpoint } = ledger.lineage()
    await ledger.publish(draftOf(nextCheckpoint))
    if (random.chance(0.8)) await ledger.confirm(nextCheckpoint)
    if (random.chance(0.6)) await ledger.collect(random.between(1, 3))
  }
}

function highest(acked: readonly Acked[], of: 'epoch' | 'published' | 'confirmed'): number {
  return Math.max(0, ...acked.map((entry) => entry[of]))
}

/** What is left of the log, for telling states from each other. */
function digest(disk: CrashFs): string {
  const root = '/state/job/log'
  const names = new LocalLog('/state/job', 'reader', disk.fs).list(0)
  if (names.length === 0) return ''
  const files = disk.fs.readdirSync(root).sort()
  return hash(
    'sha1',
    files.map((name) => `${name} ${hash('sha1', disk.fs.readFileSync(`${root}/${name}`))}`).join('\n'),
  )
}

test('in every state that a machine may leave behind, the log holds what was appended, and the next start goes on', async (t) => {
  const seen = new Set<string>()
  let states = 0
  for (let seed = 1; seed <= HISTORIES; seed++) {
    const { disk, acked } = await history(seed)
    disk.before = () => undefined
    const kept = new Set(new LocalLog('/state/job', 'reader', disk.fs).list(0))
    for (let count = 0; count <= disk.changes.length; count++) {
      const before = acked.filter(({ at }) => at <= count)
      for (const crash of disk.waysToCrash(count, PENDING_MAX)) {
        const crashed = crash()
        states += 1
        const key = `${seed} ${before.length} ${digest(crashed)}`
        if (seen.has(key)) continue
        seen.add(key)
        const log = overLocal(new LocalLog('/state/job', 'next', crashed.fs))
        for (const { seq, bytes } of before) if (kept.has(seq)) assert.equal(String(await log.read(seq)), bytes, key)
        const { newest, confirmedUpTo, epoch } = foldLineage(await Ledger.read(log))
        assert.ok(epoch >= highest(before, 'epoch') && confirmedUpTo >= highest(before, 'confirmed'), key)
        assert.ok((newest?.checkpoint ?? 0) >= highest(before, 'published'), key)
        assert.equal((await Ledger.claim(log, 'job', 'next', now)).epoch, epoch + 1, key)
      }
    }
  }
  t.diagnostic(`${seen.size} different crash states of ${states} ways to crash, in ${HISTORIES} histories`)
  assert.ok(seen.size >= 10_000, `${seen.size} states`)
})
