/** Ways in and out of a real broker: TLS, logins, a broker that dies while it is being read. */
import assert from 'node:assert/strict'
import { createServer, type AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import { startKafka, type KafkaService } from '../../../scripts/services/kafka.ts'
import { MillraceError } from '../../core/errors.ts'
import { Secret } from '../../core/secret.ts'
import {
  FetchSession,
  KafkaAdmin,
  KafkaClient,
  PartitionProducer,
  type KafkaClientOptions,
  type SaslMechanism,
} from './index.ts'

let broker: KafkaService

before(async () => {
  broker = await startKafka({ sasl: true, tls: true })
})

after(async () => {
  await broker.stop()
})

async function connect(options: Partial<KafkaClientOptions>): Promise<void> {
  await using client = new KafkaClient({ brokers: [broker.bootstrap], retryTimeoutMs: 300, ...options })
  await client.topics(null)
}

function login(mechanism: SaslMechanism, password: string): Partial<KafkaClientOptions> {
  return {
    brokers: [broker.sasl?.bootstrap ?? ''],
    sasl: { mechanism, username: 'alice', password: new Secret(password) },
  }
}

for (const mechanism of ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'] as const) {
  test(`${mechanism}: the right password is let in`, () => connect(login(mechanism, 'alice-password')))

  test(`${mechanism}: a wrong password is AUTH, and the message does not show it`, async () => {
    await assert.rejects(connect(login(mechanism, 'guessed')), (error: unknown) => {
      assert.ok(error instanceof MillraceError)
      assert.equal(error.code, 'AUTH')
      assert.equal(error.retry, 'halt')
      assert.match(error.message, /as alice with/)
      assert.doesNotMatch(error.message, /guessed/)
      return true
    })
  })
}

test('TLS with the right authority connects', () =>
  connect({ brokers: [broker.tls?.bootstrap ?? ''], tls: { ca: broker.tls?.ca ?? '' } }))

test('TLS with a certificate that does not verify is AUTH, unless that is asked for by its name', async () => {
  const brokers = [broker.tls?.bootstrap ?? '']
  await assert.rejects(connect({ brokers, tls: {} }), { code: 'AUTH' })
  await connect({ brokers, tls: { insecureSkipVerify: true } })
})

/** A token without a signature (RFC 7515, "Unsecured JWS"), as the test broker takes it. */
function unsecuredToken(subject: string, lifeSeconds: number): string {
  const now = Math.floor(Date.now() / 1000)
  const part = (claims: object): string => Buffer.from(JSON.stringify(claims)).toString('base64url')
  return `${part({ alg: 'none' })}.${part({ sub: subject, iat: now - 60, exp: now + lifeSeconds })}.`
}

function bearer(token: () => string): Partial<KafkaClientOptions> {
  const sasl = { mechanism: 'OAUTHBEARER', username: '', password: new Secret('') } as const
  return { brokers: [broker.sasl?.bootstrap ?? ''], sasl: { ...sasl, token: async () => new Secret(token()) } }
}

test('OAUTHBEARER: a token that is good is let in, and each connection asks for its own', async () => {
  let asked = 0
  const options = bearer(() => {
    asked++
    return unsecuredToken('alice', 600)
  })
  await connect(options)
  await connect(options)
  assert.equal(asked, 2)
})

test('OAUTHBEARER: a token that has ended is AUTH with the reason, and the message does not show it', async () => {
  const token = unsecuredToken('alice', -30)
  await assert.rejects(connect(bearer(() => token)), (error: unknown) => {
    assert.ok(error instanceof MillraceError)
    assert.deepEqual([error.code, error.retry], ['AUTH', 'halt'])
    assert.match(error.message, /OAUTHBEARER/)
    assert.ok(!error.message.includes(token))
    return true
  })
})

test('mutual TLS: a certificate of the right authority is let in, another one and none are AUTH', async () => {
  const { mutual = '', ca = '', client, stranger } = broker.tls ?? {}
  const withPair = (pair: typeof client): Partial<KafkaClientOptions> => ({
    brokers: [mutual],
    tls: { ca, ...(pair === undefined ? {} : { cert: pair.cert, key: new Secret(pair.key) }) },
  })
  await connect(withPair(client))
  await assert.rejects(connect(withPair(stranger)), { code: 'AUTH', retry: 'halt' })
  await assert.rejects(connect(withPair(undefined)), { code: 'AUTH', retry: 'halt' })
})

test('TLS carries records both ways', async () => {
  await using client = new KafkaClient({ brokers: [broker.tls?.bootstrap ?? ''], tls: { ca: broker.tls?.ca ?? '' } })
  await new KafkaAdmin(client).createTopic('tls', 1)
  const value = Buffer.alloc(200_000, 'x')
  await new PartitionProducer(client).send({ topic: 'tls', partition: 0 }, [{ value }])
  const [info] = await client.topics(['tls'])
  await using session = new FetchSession(client)
  session.assign([{ topic: 'tls', topicId: info?.topicId ?? '', partition: 0, offset: 0n }])
  const response = await session.poll()
  assert.ok(response?.partitions[0]?.records.includes(value))
})

test('a port where nobody listens, or nobody speaks Kafka, is UNAVAILABLE and worth another try', async () => {
  const server = createServer(
    (socket) =>
      void socket
        .on('error', () => undefined)
        .resume()
        .end('HTTP/1.1 400 Bad Request\r\n\r\n'),
  )
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await assert.rejects(connect({ brokers: [`127.0.0.1:${port}`] }), { code: 'UNAVAILABLE', retry: 'retry' })
  await new Promise((resolve) => server.close(resolve))
  await assert.rejects(connect({ brokers: [`127.0.0.1:${port}`] }), { code: 'UNAVAILABLE', retry: 'retry' })
})

test('a broker that does not answer is UNAVAILABLE after the time that was set', async () => {
  const server = createServer(() => undefined)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const silent = { brokers: [`127.0.0.1:${port}`], requestTimeoutMs: 50, retryTimeoutMs: 0 }
  await assert.rejects(connect(silent), { code: 'UNAVAILABLE', message: /no answer within 50 ms/ })
  server.close()
})

test('a reader goes on where it was after the broker was killed', async () => {
  await using client = new KafkaClient({ brokers: [broker.bootstrap], retryTimeoutMs: 60_000 })
  await new KafkaAdmin(client).createTopic('killed', 1)
  const producer = new PartitionProducer(client)
  await producer.send({ topic: 'killed', partition: 0 }, [{ value: Buffer.from('a') }])
  const [info] = await client.topics(['killed'])
  await using session = new FetchSession(client, { waitMs: 100 })
  session.assign([{ topic: 'killed', topicId: info?.topicId ?? '', partition: 0, offset: 0n }])
  const next = async (): Promise<bigint[]> => {
    for (;;) {
      const response = await session.poll()
      const moved = (response?.partitions ?? []).filter((at) => at.next > at.from).map((at) => at.next)
      response?.release()
      if (moved.length > 0) return moved
    }
  }
  assert.deepEqual(await next(), [1n])
  await broker.kill()
  const waiting = next()
  await broker.restart()
  const send = (): Promise<bigint> => producer.send({ topic: 'killed', partition: 0 }, [{ value: Buffer.from('b') }])
  assert.equal(await client.retrying('sending', send), 1n)
  assert.deepEqual(await waiting, [2n])
})
