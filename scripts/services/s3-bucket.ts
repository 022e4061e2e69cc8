import { S3_KEYS, startS3 } from './s3.ts'
import { abortUpload, Bucket, listUploads, S3Client, type Patience, type World } from '../../src/clients/s3/index.ts'
import type { S3Options, S3Settings } from '../../src/core/options.ts'
import { Secret } from '../../src/core/secret.ts'

/** A bucket of its own on a real server, and what connects to it. */
export interface TestBucket extends AsyncDisposable {
  readonly name: string
  /** As the top level of a pipeline file has it. */
  readonly endpoint: string
  readonly settings: S3Settings
  /** The same server, with the bucket in the name of the host. */
  readonly hosted: S3Settings
  /** For programs that take their keys from the environment. */
  readonly environment: Readonly<Record<string, string>>
  readonly bucket: Bucket
  /** The bucket by another way, for example through a proxy that does harm, with less patience. */
  through(endpoint: string, patience?: Partial<Patience>, settings?: S3Options): Bucket
}

let buckets = 0

/** On the server that tests share (MILLRACE_S3), or on one that goes with the bucket. */
export async function openTestBucket(): Promise<TestBucket> {
  const shared = process.env['MILLRACE_S3']
  const own = shared === undefined ? await startS3() : undefined
  const endpoint = shared ?? own?.endpoint ?? ''
  const name = `test-${process.pid}-${++buckets}`
  const settings = settingsOf(endpoint)
  const client = new S3Client(settings)
  await client.send({ doing: `making the bucket ${name}`, method: 'PUT', bucket: name, key: '' })
  const bucket = new Bucket(client, name)
  return {
    name,
    endpoint,
    settings,
    hosted: { ...settings, ...hostedAt(endpoint) },
    environment: { AWS_ACCESS_KEY_ID: S3_KEYS.accessKeyId, AWS_SECRET_ACCESS_KEY: S3_KEYS.secretAccessKey },
    bucket,
    through: (address, patience = {}, others = {}) =>
      new Bucket(new S3Client({ ...settingsOf(address), ...others }, { patience, world: hastyWorld }), name),
    async [Symbol.asyncDispose]() {
      if (own !== undefined) return await own.stop()
      const keys = (await Array.fromAsync(bucket.list(''))).map(({ key }) => key)
      await bucket.deleteAll(keys)
      for await (const { key, uploadId } of listUploads(bucket, ''))
        await abortUpload(bucket, { key, uploadId, nonce: '' })
      await client.send({
        doing: `removing the bucket ${name}`,
        method: 'DELETE',
        bucket: name,
        key: '',
        answers: [404, 409],
      })
    },
  }
}

/** Settings that put the bucket in the name of the host, for a server of this machine that knows names below `localhost`. */
export function hostedAt(endpoint: string): S3Options {
  return { endpoint: endpoint.replace('127.0.0.1', 'localhost'), pathStyle: false }
}

/** Pauses between tries take no time; the time that a test gives up after does. */
const hastyWorld: World = {
  environment: {},
  home: '/',
  now: Date.now,
  sleep: async () => undefined,
  random: Math.random,
}

function settingsOf(endpoint: string): S3Settings {
  const { accessKeyId, secretAccessKey } = S3_KEYS
  return { endpoint, credentials: { accessKeyId, secretAccessKey: new Secret(secretAccessKey) } }
}
