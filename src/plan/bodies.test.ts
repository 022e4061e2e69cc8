import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { BodyFormat } from '../core/batch.ts'
import type { SourceDescription } from '../core/connector.ts'
import { chooseBodies, isSameBody } from './bodies.ts'
import type { Port } from './graph.ts'

const body = fc.oneof(
  fc.record({
    kind: fc.constant('bytes' as const),
    format: fc.constantFrom('json', 'csv', 'raw'),
    separator: fc.constantFrom(10, 44),
  }),
  fc.constantFrom<BodyFormat>(
    { kind: 'table' },
    { kind: 'rows' },
    { kind: 'parquet', columns: [{ name: 'a', sql: 'a' }], compression: 'snappy' },
    { kind: 'parquet', columns: [{ name: 'b', sql: 'b' }], compression: 'snappy' },
  ),
)
const description = fc
  .record({
    gives: fc.uniqueArray(fc.constantFrom('bytes', 'table', 'rows'), { minLength: 1 }),
    format: fc.constantFrom('json', 'csv', 'raw', 'parquet'),
  })
  .map((own): SourceDescription => ({
    ...own,
    delivery: { class: 'atomic', reason: '', assumptions: [] },
    bounded: false,
    metadata: [],
    findings: [],
  }))

const port = fc.constantFrom<Port>(
  { name: 'a', owner: 'a', kind: 'source' },
  { name: 'b', owner: 'b', kind: 'source' },
  { name: 'q', owner: 'q', kind: 'query' },
  { name: 'm', owner: 'm', kind: 'module' },
)
const sinks = fc
  .array(
    fc.record({
      from: fc.uniqueArray(port, { minLength: 1, selector: (one) => one.name }),
      takes: fc.array(body, { minLength: 1 }),
    }),
    { minLength: 1, maxLength: 4 },
  )
  .map((list) => list.map((sink, index) => ({ id: `s${index}`, ...sink })))

test('every sink takes a body that it knows or that can be made, and what passes through is what the source says', () => {
  fc.assert(
    fc.property(description, description, sinks, fc.boolean(), (a, b, list, isDecoded) => {
      const sources = new Map([
        ['a', a],
        ['b', b],
      ])
      const decoded = new Map(isDecoded ? [['a', 'q']] : [])
      const { gives, takes, undecodable } = chooseBodies({ sources, sinks: list, decoded })
      for (const sink of list) {
        const taken = takes.get(sink.id)
        assert.ok(taken)
        const isPassed = sink.from.some(
          ({ name, kind }) => kind === 'source' && isSameBody(gives.get(name) ?? { kind: 'rows' }, taken),
        )
        const isKnown = sink.takes.some((one) => isSameBody(one, taken))
        const isRawTaken = sink.takes.some(
          (one) =>
            one.kind === 'bytes' && one.format === 'raw' && taken.kind === 'bytes' && one.separator === taken.separator,
        )
        const hasOnlyRaw = sink.takes.every((one) => one.kind === 'bytes' && one.format === 'raw')
        assert.ok(isKnown || (isPassed && isRawTaken) || (hasOnlyRaw && taken.kind === 'table'))
        if (sink.from.some(({ kind }) => kind !== 'source')) assert.ok(taken.kind !== 'bytes' || taken.format !== 'raw')
      }
      // A plan with such a source is refused; what else it would give does not matter.
      const isRefused = (name: string): boolean => undecodable.some(({ source }) => source === name)
      for (const [name, given] of gives) {
        const source = sources.get(name)
        assert.ok(source !== undefined && given.kind !== 'parquet' && source.gives.includes(given.kind))
        if (given.kind === 'bytes') assert.equal(given.format, source.format)
        if (decoded.has(name) && !isRefused(name))
          assert.ok(given.kind !== 'bytes' || (given.separator === 10 && given.format !== 'raw'))
      }
      for (const { source } of undecodable) assert.ok(['raw', 'parquet'].includes(sources.get(source)?.format ?? ''))
    }),
    { numRuns: 500 },
  )
})
