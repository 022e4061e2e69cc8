import assert from 'node:assert/strict'
import { test } from 'node:test'
import { definePipeline, type AggregateInput } from './define.ts'
import { parseValue } from './parse-file.ts'

const clicks = { connector: 'kafka', brokers: ['localhost:9092'], topics: ['clicks'] }

test('a definition is the value that it was given and passes as plain data', () => {
  const pipeline = definePipeline({
    name: 'clicks',
    sources: { clicks },
    transforms: {
      paid: { from: 'clicks', filter: 'amount > 0' },
      kinds: { from: 'paid', route: { big: 'amount > 100' } },
    },
    sinks: { out: { from: ['kinds.big', 'kinds.default'], connector: 'blackhole' } },
  })
  const parsed = parseValue(pipeline, 'clicks.ts')
  assert.deepEqual(parsed.findings, [])
  assert.deepEqual(JSON.parse(JSON.stringify(parsed.value)), JSON.parse(JSON.stringify(pipeline)))
})

test('the compiler refuses a from that names nothing', () => {
  definePipeline({
    name: 'x',
    sources: { clicks },
    // @ts-expect-error: there is no id `click`
    sinks: { out: { from: 'click', connector: 'blackhole' } },
  })
  definePipeline({
    name: 'x',
    sources: { clicks },
    // @ts-expect-error: a transform has exactly one kind
    transforms: { paid: { from: 'clicks' } },
    sinks: { out: { from: 'paid', connector: 'blackhole' } },
  })
})

test('aggregates are typed: windows need a watermark, and each kind its own lengths', () => {
  const aggregates = { n: 'count(*)' }
  const watermark = { column: 'ts', delay: '5s' }
  const define = (aggregate: AggregateInput): void => {
    const transforms = { agg: { from: 'clicks' as const, aggregate } }
    definePipeline({
      name: 'x',
      sources: { clicks },
      transforms,
      sinks: { out: { from: 'agg', connector: 'blackhole' } },
    })
  }
  define({ groupBy: 'id', aggregates })
  define({ groupBy: ['id'], window: { hopping: '1h', every: '5m' }, watermark, lateness: '1m', aggregates })
  // @ts-expect-error: windows need event time
  define({ window: { tumbling: '1h' }, aggregates })
  // @ts-expect-error: hopping windows need their distance
  define({ window: { hopping: '1h' }, watermark, aggregates })
})

test('streams that come together are typed: both sides of a join are ids that are there', () => {
  const watermark = { column: 'ts', delay: '5s' }
  const join = { on: 'id', within: { after: '30m' }, watermark, columns: ['id'] } as const
  const sinks = { out: { from: 'pairs', connector: 'blackhole' } } as const
  definePipeline({
    name: 'x',
    sources: { clicks, views: clicks },
    transforms: {
      pairs: { from: 'clicks', join: { with: 'views', ...join } },
      every: { from: ['clicks', 'views'], union: { missing: 'null' } },
      items: { from: 'every', explode: { column: 'list', as: { sku: 'varchar' }, position: 'n' } },
      named: { from: 'items', lookup: { table: clicks, on: 'sku', columns: ['name'], onDemand: { ttl: '1m' } } },
    },
    sinks,
  })
  definePipeline({
    name: 'x',
    sources: { clicks },
    // @ts-expect-error: there is no such stream
    transforms: { pairs: { from: 'clicks', join: { with: 'views', ...join } } },
    sinks,
  })
})

test('functions, class instances with getters and dangerous keys do not pass as data', () => {
  const refused = (value: unknown): string =>
    parseValue(value, 'x.ts')
      .findings.map((one) => one.message)
      .join()
  assert.match(refused({ name: () => 'x' }), /^\.name: expected plain data, found function$/)
  assert.match(
    refused({ sources: JSON.parse('{"__proto__": {"polluted": true}}') }),
    /__proto__: this key is not allowed/,
  )
  assert.match(refused(undefined), /default export: expected plain data, found undefined/)
  assert.match(refused([1]), /export default definePipeline/)
})
