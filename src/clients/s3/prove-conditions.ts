import { randomUUID } from 'node:crypto'
import { MillraceError, toMillraceError } from '../../core/errors.ts'
import { NONCE_HEADER, type Bucket } from './bucket.ts'
import { EXISTS_CODES, EXISTS_STATUS, onlyIfAbsent } from './conditional-write.ts'

const proofs = new WeakMap<Bucket['client'], Map<string, Promise<void>>>()

/**
 * Proves, once for each client and bucket, that the server honours conditional writes: of two writes of one probe key
 * the second has to be refused, and the first has to keep its nonce. Some servers accept the header and ignore it.
 *
 * @throws MillraceError PREFLIGHT when it does not.
 */
export function proveConditions(bucket: Bucket, prefix: string): Promise<void> {
  let ofClient = proofs.get(bucket.client)
  if (ofClient === undefined) proofs.set(bucket.client, (ofClient = new Map()))
  let proof = ofClient.get(bucket.name)
  if (proof === undefined) {
    proof = prove(bucket, `${prefix}.millrace-probe-${randomUUID()}`)
    ofClient.set(bucket.name, proof)
    // A server that was away is asked again.
    const all = ofClient
    proof.catch((error: unknown) => toMillraceError(error).code === 'PREFLIGHT' || all.delete(bucket.name))
  }
  return proof
}

async function prove(bucket: Bucket, key: string): Promise<void> {
  const nonce = randomUUID()
  try {
    const first = await write(bucket, key, nonce)
    const head = await bucket.head(key)
    const second = await write(bucket, key, randomUUID())
    // A first write whose answer was lost is refused by itself when it is repeated.
    if (head?.nonce !== nonce) throw refused(bucket, `does not keep metadata of objects (${first})`)
    if (second < 300) throw refused(bucket, 'accepts a conditional write of an object that is there')
  } finally {
    await bucket.delete(key).catch(() => undefined)
  }
}

async function write(bucket: Bucket, key: string, nonce: string): Promise<number> {
  const reply = await bucket.client.send({
    doing: `trying a conditional write in s3://${bucket.name}`,
    method: 'PUT',
    bucket: bucket.name,
    key,
    headers: { ...onlyIfAbsent(bucket.client.endpoint), [NONCE_HEADER]: nonce },
    body: Buffer.from(nonce),
    answers: [EXISTS_STATUS, 501],
    answerCodes: [...EXISTS_CODES, 'NotImplemented'],
  })
  if (reply.status === 501) throw refused(bucket, 'does not know conditional writes')
  return reply.status
}

function refused(bucket: Bucket, what: string): MillraceError {
  const { origin, flavor } = bucket.client.endpoint
  const header = Object.keys(onlyIfAbsent(bucket.client.endpoint)).join()
  return new MillraceError(
    `the object storage at ${origin.host} (bucket ${bucket.name}) ${what} (${header}): two processes could both believe ` +
      'that they wrote a file. Use a server that honours it, or a directory of a local disk',
    { code: 'PREFLIGHT', detail: { endpoint: origin.host, bucket: bucket.name, flavor } },
  )
}
