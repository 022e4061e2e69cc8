import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { MillraceError } from '../../core/errors.ts'
import { partitionPath } from './partition.ts'
import type { HudiTable } from './table.ts'

const TABLE: HudiTable = {
  name: 't',
  database: '',
  partitionFields: ['dt', 'region'],
  recordKeyFields: [],
  hiveStyle: true,
  urlEncode: false,
}

test('paths are hive style or plain, and null and empty have a name', () => {
  assert.equal(partitionPath(TABLE, ['2026-11-21', 'apac']), 'dt=2026-11-21/region=apac')
  assert.equal(partitionPath({ ...TABLE, hiveStyle: false }, ['2026-11-21', 'apac']), '2026-11-21/apac')
  const missing = '__HIVE_DEFAULT_PARTITION__'
  assert.equal(partitionPath(TABLE, [null, '']), `dt=${missing}/region=${missing}`)
  assert.equal(partitionPath({ ...TABLE, partitionFields: [] }, []), '')
})

test('characters that would change the path are escaped, or refused without showing the value', () => {
  const encoding = { ...TABLE, urlEncode: true }
  assert.equal(partitionPath(encoding, ['a/b', 'c=d:e%f']), 'dt=a%2Fb/region=c%3Dd%3Ae%25f')
  for (const value of ['secret/x', 'secret%', 'secret\n', 'secret=']) {
    assert.throws(
      () => partitionPath(TABLE, [value, 'x']),
      (thrown: unknown) =>
        thrown instanceof MillraceError && thrown.code === 'POISON' && !thrown.message.includes('secret'),
    )
  }
  assert.throws(() => partitionPath({ ...encoding, hiveStyle: false }, ['..', 'x']), MillraceError)
})

test('no value leaves its level of the path', () => {
  const value = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('..', '.', '/', '../..', 'a/../..'))
  fc.assert(
    fc.property(value, value, fc.boolean(), (a, b, hiveStyle) => {
      let path: string
      try {
        path = partitionPath({ ...TABLE, hiveStyle, urlEncode: true }, [a, b])
      } catch {
        return
      }
      const parts = path.split('/')
      assert.equal(parts.length, 2)
      for (const part of parts) assert.ok(part !== '' && part !== '.' && part !== '..' && !part.includes('\0'))
    }),
  )
})
