import assert from 'node:assert/strict'
import { test } from 'node:test'
import { definePipeline } from './define.ts'
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
