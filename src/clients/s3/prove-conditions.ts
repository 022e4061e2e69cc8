import { randomUUID } from 'node:crypto'
import { MillraceError, toMillraceError } from '../../core/errors.ts'
import { NONCE_HEADER, type Bucket } from './bucket.ts'
import { EXISTS_CODES, EXISTS_STATUS, onlyIfAbsent } from './conditional-write.ts'

const proofs = new WeakMap<Bucket['client'], Map<string, Promise<void>>>()

/** One object below each prefix that is written to. It stays: a process that dies here leaves nothing new behind. */
export const PROBE_NAME = '.millrace-probe'

/**
 * Proves, once for each client and bucket, that the server honours conditional writes: a write of the probe that is there
 * has to be refused, and the probe has to keep the nonce that it was written with. Some servers accept the header and
 * ignore it.
 *
 * @throws MillraceError PREFLIGHT when it does not.
 */
export function proveConditions(bucket: Bucket, prefix: string): Promise<void> {
  let ofClient = proofs.get(bucket.client)
  if (ofClient === undefined) proofs.set(bucket.client, (ofClient = new Map()))
  let proof = ofClient.get(bucket.name)
  if (proof === undefined) {
    proof = prove(bucket, prefix + PROBE_NAME)
    ofClient.set(bucket.name, proof)
    // A server that was away is asked again.
    const all = ofClient
    proof.catch((error: unknown) => toMillraceError(error).code === 'PREFLIGHT' || all.delete(bucket.name))
  }
  return proof
}

async function prove(bucket: Bucket, key: string): Promise<void> {
  // Refused at once, it was there before; or the answer was lost, and the repeated request met it.
  if ((await write(bucket, key)) < 300 && (await write(bucket, key)) < 300) {
    const what = 'accepts a conditional write of an object that is there'
    throw refused(bucket, what, bucket.client.endpoint.flavor === 'oss' ? OSS_VERSIONS : '')
  }
  if ((await bucket.head(key))?.nonce === undefined) throw refused(bucket, 'does not keep metadata of objects')
}

async function write(bucket: Bucket, key: string): Promise<number> {
  const reply = await bucket.client.send({
    doing: `trying a conditional write in s3://${bucket.name}`,
    method: 'PUT',
    bucket: bucket.name,
    key,
    headers: { ...onlyIfAbsent(bucket.client.endpoint), [NONCE_HEADER]: randomUUID() },
    body: Buffer.from('Written to see whether conditional writes are honoured.\n'),
    answers: [EXISTS_STATUS, 501],
    answerCodes: [...EXISTS_CODES, 'NotImplemented'],
  })
  if (reply.status === 501) throw refused(bucket, 'does not know conditional writes')
  return reply.status
}

/** https://www.alibabacloud.com/help/en/oss/developer-reference/putobject */
const OSS_VERSIONS = 'OSS ignores the header in a bucket whose versioning is on or was suspended. '

function refused(bucket: Bucket, what: string, why = ''): MillraceError {
  const { origin, flavor } = bucket.client.endpoint
  const header = Object.keys(onlyIfAbsent(bucket.client.endpoint)).join()
  return new MillraceError(
    `the object storage at ${origin.host} (bucket ${bucket.name}) ${what} (${header}): two processes could both believe ` +
      `that they wrote a file. ${why}Use a server that honours it, or a directory of a local disk`,
    { code: 'PREFLIGHT', detail: { endpoint: origin.host, bucket: bucket.name, flavor } },
  )
}
