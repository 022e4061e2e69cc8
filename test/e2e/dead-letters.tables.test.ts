/** Dead letters in a table: they come with their checkpoint, once each, and `dlq` deals with them there. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { suite, test } from 'node:test'
import { isTidbBuilt } from '../../scripts/services/tidb.ts'
import { answerOf } from '../../src/cli/testing/answer.ts'
import { JobHome } from './faults-kit/job-home.ts'
import { Chance } from './kit/chance.ts'
import { openLetterTable, type LetterTableKind } from './kit/letter-table.ts'

const COUNT = 300
const isBad = (id: number): boolean => id % 100 === 17
/** A quote, a backslash and a letter of two bytes, as they may stand in any record. */
const row = (id: number): string => (isBad(id) ? `{"id":"x${id}","name":"a'\\"\\\\é"}` : `{"id":${id},"name":"n"}`)
const ids = Array.from({ length: COUNT }, (_, id) => id)

interface Answer {
  readonly ok: boolean
  readonly result: Readonly<Record<string, unknown>>
  readonly findings: readonly { readonly message: string }[]
}

function idsOf(home: JobHome): number[] {
  const directory = path.join(home.directory, 'out')
  const names = readdirSync(directory, { recursive: true, encoding: 'utf8' })
  const files = names.filter((name) => /(^|\/)[^._/][^/]*\.ndjson$/.test(name))
  const text = files.map((name) => readFileSync(path.join(directory, name), 'utf8')).join('')
  const found = text.split('\n').flatMap((line) => (line === '' ? [] : [(JSON.parse(line) as { id: number }).id]))
  return found.sort((left, right) => left - right)
}

const KINDS: readonly LetterTableKind[] = ['mariadb', 'postgres', 'starrocks', 'doris']

function chosenKinds(): readonly LetterTableKind[] {
  if (process.env['MILLRACE_FULL'] !== '1') return Chance.ofThisRun().sample(KINDS, 1)
  return isTidbBuilt() ? [...KINDS, 'tidb'] : KINDS
}

suite('dead letters in tables', { concurrency: 2 }, () => {
  for (const kind of chosenKinds()) {
    test(`${kind}: letters are there once after a kill, and are shown, driven in again and dropped`, async () => {
      await using table = await openLetterTable(kind)
      await using home = await JobHome.create()
      home.put('in/rows.ndjson', `${ids.map(row).join('\n')}\n`)
      home.write({
        sources:
          'ev: {connector: file, path: ./in, format: json, schema: {id: bigint, name: varchar}, deadLetter: {to: bad}}',
        sinks: `out: {from: ev, connector: files, path: ./out, format: json}, bad: {${table.sink}}`,
      })
      await using killed = home.run({ MILLRACE_FAILPOINTS: 'commit:sent@1=kill' })
      assert.equal((await killed.ended()).signal, 'SIGKILL', killed.err)
      await using last = home.run()
      assert.equal((await last.ended()).code, 0, last.err)
      const good = ids.filter((id) => !isBad(id))
      assert.deepEqual(idsOf(home), good)

      const file = path.join(home.directory, 'job.yaml')
      const dlq = (...argv: string[]): Promise<Answer> => answerOf<Answer>('dlq', ...argv)
      const shown = (await dlq('show', file)).result['letters'] as { raw: string; number: number }[]
      assert.deepEqual(
        shown.map(({ raw }) => raw),
        ids.filter(isBad).map(row),
      )
      home.put('repaired.ndjson', '{"id":17}\n{"id":"still bad"}\n')
      const repaired = path.join(home.directory, 'repaired.ndjson')
      const retried = await dlq('retry', file, '1', '2', '--with', repaired)
      assert.equal(retried.result['retried'], 2, JSON.stringify(retried))
      assert.deepEqual(
        idsOf(home),
        [...good, 17].sort((left, right) => left - right),
      )
      assert.equal((await dlq('drop', file, '3', '--yes')).result['dropped'], 1)
      const [left] = (await dlq('show', file)).result['letters'] as { raw: string; attempt: number }[]
      assert.deepEqual([left?.raw, left?.attempt], ['{"id":"still bad"}', 2])
      assert.equal(await table.count(), 4)
    })
  }
})
