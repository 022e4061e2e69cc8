import assert from 'node:assert/strict'
import { globSync } from 'node:fs'
import { mkdtempDisposable, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, test } from 'node:test'
import { useKafka } from '../../scripts/services/kafka.ts'
import { PartitionProducer } from '../clients/kafka/index.ts'
import { KafkaTarget } from '../testkit/kafka-target.ts'
import { answerOf } from './testing/answer.ts'

const broker = await useKafka()
const { bootstrap } = broker

after(() => broker[Symbol.asyncDispose]())

interface Envelope {
  readonly ok: boolean
  readonly result: { readonly ranges: readonly Record<string, unknown>[]; readonly ended: string | null } | null
  readonly findings: readonly { readonly code: string; readonly message: string }[]
}

const millrace = (...argv: string[]): Promise<Envelope & { readonly code: number }> => answerOf<Envelope>(...argv)

test('a part of the topic is read again into another target, and never twice into one that appends', async () => {
  await using topic = await KafkaTarget.create(bootstrap, 2)
  await using directory = await mkdtempDisposable(path.join(tmpdir(), 'millrace-replay-'))
  const send = async (partition: number, ids: readonly number[]): Promise<void> => {
    const values = ids.map((id) => ({ value: Buffer.from(`{"id":${id}}`) }))
    await new PartitionProducer(topic.client).send({ topic: topic.topic, partition }, values)
  }
  await send(0, [0, 1, 2, 3])
  await send(1, [10, 11, 12])
  const file = path.join(directory.path, 'p.yaml')
  const text = (transform: string): string => `name: clicks
parallelism: 1
checkpoint: {storage: ./state}
sources:
  clicks: {connector: kafka, brokers: ['${bootstrap}'], topics: [${topic.topic}], end: latest, schema: {id: bigint}}
transforms:
  odd: {from: clicks, ${transform}}
sinks:
  out: {from: odd, connector: files, path: ./out, format: json}
`
  await writeFile(file, text('filter: id <> 2'))
  const rows = async (name: string): Promise<string[]> => {
    const files = globSync('**/*.ndjson', { cwd: path.join(directory.path, name) })
    const texts = await Promise.all(files.map((one) => readFile(path.join(directory.path, name, one), 'utf8')))
    return texts.flatMap((one) => one.split('\n').filter((line) => line !== '')).toSorted()
  }
  assert.ok((await millrace('run', file)).ok)
  assert.equal((await rows('out')).length, 6)
  // Not read by the job: a replay ends where the job has come.
  await send(0, [4])

  const from = `offset:${topic.topic}/0=1`
  const dry = await millrace('replay', file, '--from', from, '--to', './again', '--dry-run')
  const range = { source: 'clicks', split: `${topic.topic}/0`, from: '1', end: '4', records: 3 }
  assert.deepEqual(dry.result?.ranges, [
    range,
    { ...range, split: `${topic.topic}/1`, from: '3', end: '3', records: 0 },
  ])
  assert.deepEqual(await rows('again'), [])

  const done = await millrace('replay', file, '--from', from, '--to', './again')
  assert.equal(done.result?.ended, 'finished')
  assert.deepEqual(await rows('again'), ['{"id":1}', '{"id":3}'])
  assert.equal((await rows('out')).length, 6)

  const refused = async (reason: RegExp, ...more: string[]): Promise<void> => {
    const { ok, findings } = await millrace('replay', file, ...more)
    assert.equal(ok, false)
    assert.match(findings[0]?.message ?? '', reason)
  }
  await refused(/has ended already/, '--from', from, '--to', './again')
  await refused(/out appends/, '--from', 'earliest')
  await refused(/out appends/, '--from', 'earliest', '--to', 'out/../out')
  await refused(/no confirmed checkpoint/, '--from', 'checkpoint:99', '--to', './other')
  await refused(/is none of: earliest/, '--from', 'yesterday', '--to', './other')
  await refused(/--from names nothing\/0/, '--from', 'offset:nothing/0=1', '--to', './other')
  await refused(/ends at 4/, '--from', `offset:${topic.topic}/0=9`, '--to', './other')
  await writeFile(file, text('deduplicate: {key: [id], ttl: 1h}'))
  await refused(/would begin empty/, '--from', '2026-01-01', '--to', './other')
})
