import assert from 'node:assert/strict'
import { mkdtempDisposable, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import type { DeliveryExplanation } from '../plan/explain-delivery.ts'
import { runProgram } from './program.ts'

/** `explain --delivery` of a pipeline in this process, and what it says with `--json`. */
async function explain(text: string): Promise<{ code: number; out: string; err: string; json: DeliveryExplanation }> {
  await using directory = await mkdtempDisposable(path.join(tmpdir(), 'millrace-'))
  const file = path.join(directory.path, 'pipeline.yaml')
  await writeFile(file, text)
  const run = async (...more: string[]): Promise<{ code: number; out: string; err: string }> => {
    const told = { out: '', err: '' }
    const code = await runProgram(['explain', file, '--delivery', ...more], {
      version: '1.2.3',
      environment: {},
      stdout: { isTTY: false, write: (part: string | Uint8Array) => ((told.out += String(part)), true) },
      stderr: { isTTY: false, write: (part: string | Uint8Array) => ((told.err += String(part)), true) },
      signals: () => ({ stop: new AbortController().signal, kill: new AbortController().signal }),
    })
    return { code, ...told }
  }
  const asJson = JSON.parse((await run('--json')).out) as { result: DeliveryExplanation }
  return { ...(await run()), json: asJson.result }
}

const SOURCES = `name: p
parallelism: 2
sources:
  rows: {connector: file, path: ./in.ndjson, schema: {id: bigint}}
  named: {connector: kafka, brokers: b:9092, topics: [t], properties: {isolation.level: read_uncommitted}, schema: {id: bigint}}
`
const GONE = '{connector: blackhole, from: '

test('a pipeline that nothing weakens says so', async () => {
  const text = SOURCES.split('\n').slice(0, 4).join('\n')
  const { code, out, json } = await explain(
    `${text}\ntransforms:\n  odd: {from: rows, filter: id % 2 = 1}\nsinks:\n  out: ${GONE}odd}\n`,
  )
  assert.deepEqual([code, json.class, json.weakest], [0, 'atomic', []])
  assert.deepEqual(
    json.parts.map(({ part, kind, class: is }) => [part, kind, is]),
    [
      ['rows', 'source', 'atomic'],
      ['odd', 'query', 'atomic'],
      ['out', 'sink', 'atomic'],
    ],
  )
  assert.match(out, /pipeline p: atomic[^]*Nothing weakens it\.\n$/)
})

test('every weakest link comes with what to change to get more', async () => {
  const sinks = `sinks:\n  a: ${GONE}rows}\n  b: ${GONE}named}\n`
  const { code, out, json } = await explain(`${SOURCES}${sinks}delivery: at-least-once\n`)
  assert.deepEqual([code, json.class, json.weakest], [0, 'at-least-once', ['named']])
  assert.equal(json.parts.find(({ part }) => part === 'pipeline')?.class, 'exact')
  assert.match(out, /\* +named +source +at-least-once +records of transactions/)
  assert.match(out, /Weakest: named\.\n +to get more from named: isolation\.level: read_committed\n$/)
})

test('a pipeline that is weaker than it asks for is refused with what to change', async () => {
  const { code, err, json } = await explain(`${SOURCES}sinks:\n  b: ${GONE}[rows, named]}\n`)
  assert.deepEqual([code, json], [64, null])
  assert.match(err, /named promises only at-least-once.*→ isolation\.level: read_committed, or ask for less/)
})

test('what a promise stands on is named, and how to do without it', async () => {
  const follows = SOURCES.split('\n').slice(0, 4).join('\n').replace('schema:', 'follow: true, schema:')
  const { out } = await explain(`${follows}\naccept: [append-only-files]\nsinks:\n  out: ${GONE}rows}\n`)
  assert.match(out, /rows +source +atomic, conditional/)
  assert.match(out, /rows stands on "append-only-files".*\n +to get more from rows: follow: false/)
})
