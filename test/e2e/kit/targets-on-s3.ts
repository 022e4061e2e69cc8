import assert from 'node:assert/strict'
import type { TestBucket } from '../../../scripts/services/s3-bucket.ts'
import { readHudi } from '../../../scripts/services/hudi-readers.ts'
import { listUploads } from '../../../src/clients/s3/index.ts'
import { HUDI_RULES, type Target } from './targets.ts'

/** A Hudi table in object storage, read by hudi-rs, which finds its way by the environment of this process. */
export function hudiOnS3(lake: TestBucket, name = 'lake'): Target {
  Object.assign(process.env, lake.environment, { AWS_ALLOW_HTTP: 'true', AWS_REGION: 'us-east-1' })
  const address = `s3://${lake.name}/${name}`
  return {
    kind: 'hudi-s3',
    options: `connector: hudi, path: '${address}', table: events, ${HUDI_RULES}`,
    read: async (into) => {
      if ((await lake.bucket.head(`${name}/.hoodie/hoodie.properties`)) === undefined) return
      process.env['AWS_ENDPOINT_URL'] = lake.endpoint
      const { rows, columns } = await readHudi(address, { columns: ['part', 'seq'] })
      const { part = [], seq = [] } = columns ?? {}
      assert.equal(part.length, rows)
      part.forEach((value, row) => into.add(Number(value), Number(seq[row])))
    },
    residue: async () => [...(await openInstants(lake, `${name}/.hoodie/`)), ...(await unfinished(lake))],
    [Symbol.asyncDispose]: async () => undefined,
  }
}

/** NDJSON objects, as a reader sees them. */
export function filesOnS3(lake: TestBucket): Target {
  return {
    kind: 'files-s3',
    options: `connector: files, path: 's3://${lake.name}/out', format: ndjson`,
    read: async (into) => {
      for await (const { key } of lake.bucket.list('out/')) {
        if (key.split('/').some((part) => /^[._]/.test(part))) continue
        const text = String(await lake.bucket.get(key))
        assert.ok(text.endsWith('\n'), `${key} ends in the middle of a line`)
        for (const line of text.trimEnd().split('\n')) into.addLine(line)
      }
    },
    residue: async () => {
      const listed = await Array.fromAsync(lake.bucket.list('out/'))
      return [
        ...listed.map(({ key }) => key).filter((key) => /\/[._]/.test(key) && !key.endsWith('.millrace-probe')),
        ...(await unfinished(lake)),
      ]
    },
    [Symbol.asyncDispose]: async () => undefined,
  }
}

/** Instants of the table that are requested or inflight and never completed. */
async function openInstants({ bucket }: TestBucket, timeline: string): Promise<string[]> {
  const listed = await Array.fromAsync(bucket.list(timeline))
  const names = listed.map(({ key }) => key.slice(timeline.length))
  const completed = new Set(names.flatMap((name) => /^(\d+)\.[a-z]+$/.exec(name)?.[1] ?? []))
  return names.filter((name) => {
    const pending = /^(\d+)\.(?:[a-z]+\.)?(?:requested|inflight)$/.exec(name)?.[1]
    return pending !== undefined && !completed.has(pending)
  })
}

/** Parts of objects that nobody will complete. */
async function unfinished({ bucket }: TestBucket): Promise<string[]> {
  return (await Array.fromAsync(listUploads(bucket, ''))).map(({ key }) => `an upload of ${key}`)
}
