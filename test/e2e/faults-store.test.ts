/** A checkpoint store that is full, damaged, unsafe or somebody else's. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { suite, test } from 'node:test'
import { millrace } from './command-line.ts'
import { FollowedJob } from './faults-kit/followed-job.ts'
import { halted, isConfirmed, JobHome } from './faults-kit/job-home.ts'
import { idsOf, startWarehouse, upTo } from './faults-kit/warehouse.ts'

const isRoot = process.getuid?.() === 0
/** A directory with very little space: only root can mount one. */
const cannotMount = !isRoot || !canMount()

async function boundedJob(): Promise<JobHome> {
  const home = await JobHome.create()
  home.put('in/rows.ndjson', '{"id":0}\n{"id":1}\n')
  home.write({
    sources: 'in: {connector: file, path: ./in, format: json, schema: {id: bigint}}',
    sinks: 'out: {from: in, connector: files, path: ./out, format: ndjson}',
  })
  return home
}

const stateOf = (home: JobHome): string => path.join(home.directory, 'state', 'job')

function logFiles(home: JobHome): string[] {
  const log = path.join(stateOf(home), 'log')
  return readdirSync(log)
    .sort()
    .map((name) => path.join(log, name))
}

suite('the checkpoint store', { concurrency: 3 }, () => {
  for (const [what, damage] of [
    ['a flipped bit', (bytes: Buffer) => bytes.fill(bytes.readUInt8(40) ^ 1, 40, 41)],
    ['a lost end', (bytes: Buffer) => bytes.subarray(0, bytes.length - 20)],
    ['no content', () => Buffer.alloc(0)],
  ] as const) {
    test(`${what} in the newest entry: 70, and nothing is written`, async () => {
      await using server = await startWarehouse()
      await using followed = await FollowedJob.create('starrocks', server)
      await using first = followed.home.run()
      followed.append(10)
      await first.event(isConfirmed)
      await followed.stop(first)
      const newest = logFiles(followed.home).at(-1) ?? assert.fail('the log is empty')
      const bytes = readFileSync(newest)
      chmodSync(newest, 0o600)
      writeFileSync(newest, damage(Buffer.from(bytes)))
      const before = server.requests().length
      followed.append(10)
      await using second = followed.home.run()
      const { code, event, err } = await halted(second)
      assert.equal(code, 70, err)
      assert.equal(event['code'], 'STORE_CORRUPT')
      assert.match(err, /log|entry/)
      assert.deepEqual(idsOf(server), upTo(10))
      const later = server.requests().slice(before)
      assert.ok(!later.some(({ method }) => method !== 'GET'), 'the server was only looked at')
    })
  }

  test('a state directory that anybody may write, a link, or somebody else’s is refused', async () => {
    const cases: readonly (readonly [RegExp, (state: string) => void])[] = [
      [/other users/, (state) => (mkdirSync(state, { recursive: true }), chmodSync(state, 0o777))],
      [
        /not a directory/,
        (state) => {
          mkdirSync(`${state}-real`, { recursive: true, mode: 0o700 })
          symlinkSync(`${state}-real`, state)
        },
      ],
      ...(isRoot
        ? [
            [
              /another user/,
              (state: string) => (mkdirSync(state, { recursive: true }), chownSync(state, 12_345, 12_345)),
            ] as const,
          ]
        : []),
    ]
    for (const [why, prepare] of cases) {
      await using home = await boundedJob()
      prepare(stateOf(home))
      await using job = home.run()
      const { code } = await job.ended()
      assert.equal(code, 70, job.out)
      assert.match(job.err, why)
    }
  })

  test('state is kept from others whatever the umask is', async () => {
    await using home = await boundedJob()
    const { code, err } = await withUmask(() => millrace(home.directory, 'run', 'job.yaml'))
    assert.equal(code, 0, err)
    const modes = execFileSync('find', [stateOf(home), '-printf', '%m %y %p\n'], { encoding: 'utf8' })
      .trim()
      .split('\n')
    for (const line of modes) assert.match(line, /^(?:700 d|[46]00 [fs])/, line)
  })

  test('the state of another pipeline is refused', async () => {
    await using home = await boundedJob()
    const { code, err } = await millrace(home.directory, 'run', 'job.yaml')
    assert.equal(code, 0, err)
    const text = readFileSync(path.join(home.directory, 'job.yaml'), 'utf8')
    home.put('other.yaml', text.replace('name: job', 'name: other'))
    renameSync(stateOf(home), path.join(home.directory, 'state', 'other'))
    const refused = await millrace(home.directory, 'run', 'other.yaml')
    assert.equal(refused.code, 64, refused.out + refused.err)
    assert.match(refused.err, /job.*other|other.*job/s)
  })

  test(
    'a state directory that cannot be written: 70 before anything is read',
    { skip: cannotMount && 'only root may mount' },
    async () => {
      await using home = await boundedJob()
      const state = path.join(home.directory, 'state')
      mkdirSync(state, { mode: 0o700 })
      system('mount', '-t', 'tmpfs', '-o', 'size=64k,mode=0700', 'millrace-test', state)
      try {
        mkdirSync(path.join(state, 'job'), { mode: 0o700 })
        system('mount', '-o', 'remount,ro', state)
        const { code, err } = await millrace(home.directory, 'run', 'job.yaml')
        assert.equal(code, 70, err)
        assert.match(err, /read-only/)
      } finally {
        system('umount', '-l', state)
      }
    },
  )

  test(
    'a full disk ends a job with 70 after its budget; with room again it goes on',
    { skip: cannotMount && 'only root may mount' },
    async () => {
      await using server = await startWarehouse()
      await using followed = await FollowedJob.create('starrocks', server)
      const state = path.join(followed.home.directory, 'state')
      mkdirSync(state, { mode: 0o700 })
      system('mount', '-t', 'tmpfs', '-o', 'size=256k,mode=0700', 'millrace-test', state)
      try {
        await using first = followed.home.run()
        followed.append(10)
        await first.event(isConfirmed)
        const filler = path.join(state, 'filler')
        fill(filler)
        followed.append(10)
        const { code, event, err } = await halted(first)
        assert.equal(code, 70, err)
        assert.equal(event['code'], 'STORE_IO')
        assert.match(err, /ENOSPC|space/)
        assert.deepEqual(idsOf(server), upTo(10))
        execFileSync('rm', [filler])
        await using second = followed.home.run()
        await followed.untilVisible(second)
        await followed.stop(second)
      } finally {
        system('umount', '-l', state)
      }
    },
  )
})

/** A program of the operating system; throws when it fails. */
function system(program: string, ...args: string[]): void {
  execFileSync(program, args, { stdio: 'pipe' })
}

function canMount(): boolean {
  try {
    system('unshare', '-m', 'true')
    return true
  } catch {
    return false
  }
}

/** Takes all the space there is. */
function fill(file: string): void {
  const chunk = Buffer.alloc(4096)
  try {
    for (;;) writeFileSync(file, chunk, { flag: 'a' })
  } catch (error) {
    assert.equal((error as NodeJS.ErrnoException).code, 'ENOSPC')
  }
}

async function withUmask<T>(act: () => Promise<T>): Promise<T> {
  const before = process.umask(0)
  try {
    return await act()
  } finally {
    process.umask(before)
  }
}
