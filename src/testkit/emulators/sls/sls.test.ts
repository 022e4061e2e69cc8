import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { ManualClock } from '../clock.ts'
import { decompressLz4Block } from '../lz4.ts'
import type { HttpAnswer } from './answers.ts'
import { cursorOf, positionOf } from './cursor-text.ts'
import { SlsEmulator } from './index.ts'
import { countLogs, encodeLogGroup, splitLogGroupList } from './log-group.ts'
import type { Logstore } from './logstore.ts'
import { compressLz4Block } from './lz4-compress.ts'
import { SlsService } from './service.ts'
import { SLS_DEFAULTS, type SlsSettings } from './settings.ts'
import { checkSignature, type SignedRequest } from './signature.ts'

interface Vector {
  readonly Name: string
  readonly Version: 'v1' | 'v4'
  readonly Method: string
  readonly URI: string
  readonly Headers: Readonly<Record<string, string>>
  readonly Body: string
  readonly Authorization: string
}

const VECTORS = JSON.parse(
  readFileSync(new URL('../../../../test/fixtures/sls/signature-vectors.json', import.meta.url), 'utf8'),
) as readonly Vector[]
const KNOWN = { accessKeyId: 'testAccessKeyId', accessKeySecret: 'testAccessKeySecret' }
const SIGNED_AT = Date.UTC(2026, 10, 21, 2, 3, 4)

function requestOf({ Method, URI, Headers, Body, Authorization }: Vector): SignedRequest {
  const [path = '', query = ''] = URI.split('?')
  const headers = Object.fromEntries(Object.entries(Headers).map(([name, value]) => [name.toLowerCase(), value]))
  return {
    method: Method,
    path,
    query: new URLSearchParams(query),
    headers: { ...headers, authorization: Authorization },
    body: Buffer.from(Body),
  }
}

function check(request: SignedRequest, now: number = SIGNED_AT): void {
  const token = request.headers['x-acs-security-token']
  const known = typeof token === 'string' ? { ...KNOWN, securityToken: token } : KNOWN
  checkSignature(request, [known], now, 900)
}

suite('signatures', () => {
  test('what the official SDK signed is accepted', () => {
    assert.equal(VECTORS.length, 9)
    for (const vector of VECTORS) assert.doesNotThrow(() => check(requestOf(vector)), vector.Name)
  })

  test('another query, path, header, body or key is refused', () => {
    for (const vector of VECTORS) {
      const request = requestOf(vector)
      const changed: SignedRequest[] = [
        { ...request, path: `${request.path}x` },
        { ...request, query: new URLSearchParams('count=1') },
        { ...request, headers: { ...request.headers, 'x-log-added': '1' } },
        { ...request, body: Buffer.from('other') },
      ]
      for (const one of changed) assert.throws(() => check(one), { name: 'Error' }, vector.Name)
      assert.throws(() => checkSignature(request, [{ ...KNOWN, accessKeySecret: 'x' }], SIGNED_AT, 900))
    }
  })

  test('a clock that is more than fifteen minutes off is refused', () => {
    for (const vector of VECTORS) {
      const request = requestOf(vector)
      assert.doesNotThrow(() => check(request, SIGNED_AT + 899_000))
      for (const now of [SIGNED_AT + 901_000, SIGNED_AT - 901_000]) {
        assert.throws(() => check(request, now), { code: 'RequestTimeExpired' })
      }
    }
  })
})

/** A service whose time stands still. */
function serve(settings: Partial<SlsSettings> = {}, shards = 2): Served {
  const clock = new ManualClock()
  const all: SlsSettings = { ...SLS_DEFAULTS, ...settings }
  const service = new SlsService(clock, all)
  const logstore = service.create({ name: 'logs', shards, ttlDays: 1 })
  const ask = (path: string, headers: SignedRequest['headers'] = {}): HttpAnswer => {
    const [name = '', query = ''] = path.split('?')
    const request = { method: 'GET', path: `/logstores/logs${name}`, query: new URLSearchParams(query), headers }
    return service.route({ ...request, body: Buffer.alloc(0) }).run({ breaksList: false })
  }
  const put = (shard: number, ...texts: string[]): void => {
    for (const text of texts) {
      const group = encodeLogGroup({ logs: [{ time: 1, contents: [['k', text]] }] })
      logstore.shard(shard).append(group, countLogs(group), Math.floor(clock.now() / 1000))
    }
  }
  const cursor = (shard: number, from: string | number): bigint => {
    const { body } = ask(`/shards/${shard}?type=cursor&from=${from}`)
    return positionOf((JSON.parse(body.toString()) as { cursor: string }).cursor) ?? -1n
  }
  return { clock, settings: all, logstore, ask, put, cursor }
}

interface Served {
  readonly clock: ManualClock
  readonly settings: SlsSettings
  readonly logstore: Logstore
  ask(path: string, headers?: SignedRequest['headers']): HttpAnswer
  put(shard: number, ...texts: string[]): void
  cursor(shard: number, from: string | number): bigint
}

const pull = ({ ask }: Served, shard: number, at: bigint, more = ''): HttpAnswer =>
  ask(`/shards/${shard}?type=logs&cursor=${encodeURIComponent(cursorOf(at))}&count=1000${more}`)

suite('cursors', () => {
  test('a cursor is base64 of digits, with padding or without', () => {
    assert.equal(cursorOf(1447329401102130904n), 'MTQ0NzMyOTQwMTEwMjEzMDkwNA==')
    assert.equal(positionOf('MTQ0NzMyOTQwMTEwMjEzMDkwNA'), 1447329401102130904n)
    assert.equal(positionOf('nonsense'), undefined)
  })

  test('pulls give consecutive groups and the cursor behind them', () => {
    const served = serve()
    served.put(0, 'a', 'b', 'c')
    const begin = served.cursor(0, 'begin')
    const { headers, body } = pull(served, 0, begin)
    assert.equal(headers['x-log-count'], '3')
    assert.equal(positionOf(headers['x-log-cursor'] ?? ''), begin + 3n)
    assert.equal(headers['x-log-read-last-cursor'], String(begin + 2n))
    assert.equal(headers['x-log-end-of-cursor'], '1')
    assert.equal(splitLogGroupList(body).length, 3)
    assert.equal(served.cursor(0, 'end'), begin + 3n)
    const empty = pull(served, 0, begin + 3n)
    assert.deepEqual(
      [empty.headers['x-log-count'], empty.headers['x-log-bodyrawsize'], empty.body.length],
      ['0', '0', 0],
    )
    assert.equal(positionOf(empty.headers['x-log-cursor'] ?? ''), begin + 3n)
  })

  test('what has expired is skipped without a word', () => {
    const served = serve()
    served.put(0, 'a', 'b', 'c')
    const begin = served.cursor(0, 'begin')
    served.logstore.shard(0).expire(2)
    const { headers } = pull(served, 0, begin)
    assert.deepEqual([headers['x-log-count'], headers['x-log-read-last-cursor']], ['1', String(begin + 2n)])
  })

  test('a cursor of a time is the first group that was received then or later', () => {
    const served = serve()
    served.put(0, 'a')
    served.clock.advance(60_000)
    served.put(0, 'b')
    const begin = served.cursor(0, 'begin')
    const seconds = served.clock.now() / 1000
    assert.equal(served.cursor(0, seconds - 60), begin)
    assert.equal(served.cursor(0, seconds - 59), begin + 1n)
    assert.equal(served.cursor(0, seconds + 1), begin + 2n)
  })

  test('malformed cursors, missing shards and wrong counts have their codes', () => {
    const served = serve()
    assert.throws(() => served.ask('/shards/0?type=logs&cursor=x&count=1'), { code: 'InvalidCursor', status: 400 })
    assert.throws(() => pull(served, 9, 1n), { code: 'ShardNotExist' })
    assert.throws(() => served.ask(`/shards/0?type=log&cursor=MQ==&count=1001`), { code: 'ParameterInvalid' })
  })

  test('groups that are older than the retention expire', () => {
    const served = serve()
    served.put(0, 'a')
    const begin = served.cursor(0, 'begin')
    served.clock.advance(23 * 3_600_000)
    served.put(0, 'b')
    served.clock.advance(2 * 3_600_000)
    assert.equal(served.cursor(0, 'begin'), begin + 1n)
  })
})

suite('shards', () => {
  const statuses = ({ logstore }: Served): string[] =>
    logstore.list().map(({ shardID, status }) => `${shardID} ${status}`)

  test('a split closes the parent and divides its range', () => {
    const served = serve()
    const [parent, left, right] = served.logstore.split(0)
    assert.deepEqual(statuses(served), ['0 readonly', '1 readwrite', '2 readwrite', '3 readwrite'])
    assert.equal(left?.beginKey, parent?.beginKey)
    assert.equal(left?.endKey, right?.beginKey)
    assert.equal(right?.endKey, parent?.endKey)
    assert.throws(() => served.logstore.split(0), { code: 'ParameterInvalid' })
  })

  test('a merge closes both neighbours and joins their ranges', () => {
    const served = serve()
    const [left, right, joined] = served.logstore.merge(0)
    assert.deepEqual(statuses(served), ['0 readonly', '1 readonly', '2 readwrite'])
    assert.deepEqual([joined?.beginKey, joined?.endKey], [left?.beginKey, right?.endKey])
    assert.throws(() => served.logstore.merge(2), { code: 'ParameterInvalid' })
  })

  test('ListShards may show a split later than it happens', () => {
    const served = serve()
    served.logstore.listDelayMs = 5000
    served.logstore.split(0)
    assert.deepEqual(statuses(served), ['0 readwrite', '1 readwrite'])
    assert.equal(served.logstore.shard(0).status, 'readonly')
    served.clock.advance(5000)
    assert.deepEqual(statuses(served), ['0 readonly', '1 readwrite', '2 readwrite', '3 readwrite'])
  })

  test('a readonly shard vanishes with its last data', () => {
    const served = serve()
    served.put(0, 'a')
    served.logstore.split(0)
    served.clock.advance(25 * 3_600_000)
    assert.deepEqual(statuses(served), ['1 readwrite', '2 readwrite', '3 readwrite'])
  })

  test('keys are routed to the live shard whose range holds them', () => {
    const { logstore } = serve()
    logstore.split(1)
    assert.equal(logstore.shardFor('00000000000000000000000000000000').id, 0)
    assert.equal(logstore.shardFor('80000000000000000000000000000001').id, 2)
    assert.equal(logstore.shardFor('ffffffffffffffffffffffffffffffff').id, 3)
  })

  test('reads over the quota are refused with 403', () => {
    const served = serve({ readsPerSecond: 2 })
    const begin = served.cursor(0, 'begin')
    pull(served, 0, begin)
    pull(served, 0, begin)
    assert.throws(() => pull(served, 0, begin), { code: 'ShardReadQuotaExceed', status: 403 })
    pull(served, 1, served.cursor(1, 'begin'))
    served.clock.advance(1000)
    pull(served, 0, begin)
  })
})

test('LZ4 blocks come out as they went in', () => {
  const text = fc.array(fc.constantFrom('alpha', 'beta', 'gamma ', '{"k":1}', '\u4e16\u754c'), { maxLength: 400 })
  fc.assert(
    fc.property(
      fc.oneof(
        text.map((words) => Buffer.from(words.join(''))),
        fc.uint8Array({ maxLength: 300 }),
      ),
      (bytes) => {
        const input = Buffer.from(bytes)
        assert.deepEqual(decompressLz4Block(compressLz4Block(input), input.length), input)
      },
    ),
  )
  const long = Buffer.alloc(300_000, 'abcdefgh'.repeat(40))
  assert.deepEqual(decompressLz4Block(compressLz4Block(long), long.length), long)
})

test('over HTTP, a request without a signature or for another project is refused', async () => {
  await using emulator = await SlsEmulator.start({ logstores: [{ name: 'logs' }] })
  const answer = await fetch(`${emulator.url}/logstores/logs/shards`)
  assert.equal(answer.status, 404)
  assert.equal(((await answer.json()) as { errorCode: string }).errorCode, 'ProjectNotExist')
  assert.match(answer.headers.get('x-log-requestid') ?? '', /^[0-9A-F]{24}$/)
})
