/** The toolkit and a pipeline's options log in at a real broker with a token, and with a certificate of their own. */
import assert from 'node:assert/strict'
import { mkdtempDisposable, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { z } from 'zod'
import { startKafka } from '../../scripts/services/kafka.ts'
import { connectionOptions } from '../../src/connectors/kafka/connection-options.ts'
import { openClient } from '../../src/connectors/kafka/connect.ts'
import { Kafka } from '../../src/kafka/index.ts'

const pipelineOptions = z.strictObject(connectionOptions)

function unsecuredToken(lifeSeconds: number): string {
  const now = Math.floor(Date.now() / 1000)
  const part = (claims: object): string => Buffer.from(JSON.stringify(claims)).toString('base64url')
  return `${part({ alg: 'none' })}.${part({ sub: 'alice', iat: now - 60, exp: now + lifeSeconds })}.`
}

test('tokens and certificates of clients work from the environment and from a pipeline file', async () => {
  await using broker = await startKafka({ sasl: true, tls: true })
  const { mutual = '', ca = '', client, stranger } = broker.tls ?? {}
  await using directory = await mkdtempDisposable(path.join(tmpdir(), 'millrace-logins-'))
  const file = async (name: string, text: string): Promise<string> => {
    const at = path.join(directory.path, name)
    await writeFile(at, text)
    return at
  }
  const fromEnvironment = async (variables: Readonly<Record<string, string>>): Promise<readonly string[]> => {
    await using kafka = Kafka.fromEnvironment(variables)
    return (await kafka.ping()).problems
  }
  const fromPipeline = async (input: object): Promise<void> => {
    await using kafka = openClient({ ...pipelineOptions.parse(input), properties: {} })
    await kafka.topics(null)
  }

  const token = (text: string): Readonly<Record<string, string>> => ({
    MILLRACE_KAFKA_BROKERS: broker.sasl?.bootstrap ?? '',
    MILLRACE_KAFKA_SASL_MECHANISM: 'OAUTHBEARER',
    MILLRACE_KAFKA_PASSWORD: text,
  })
  assert.deepEqual(await fromEnvironment(token(unsecuredToken(600))), [])
  assert.match((await fromEnvironment(token(unsecuredToken(-30)))).join(), /invalid_token/)
  const sasl = (text: string): object => ({ mechanism: 'OAUTHBEARER', password: text })
  const brokers = [broker.sasl?.bootstrap ?? '']
  await fromPipeline({ brokers, sasl: sasl(unsecuredToken(600)) })
  await assert.rejects(fromPipeline({ brokers, sasl: sasl(unsecuredToken(-30)) }), { code: 'AUTH' })

  const certificate = async (pair: typeof client): Promise<Readonly<Record<string, string>>> => ({
    MILLRACE_KAFKA_BROKERS: mutual,
    MILLRACE_KAFKA_TLS_CA: await file('ca.pem', ca),
    MILLRACE_KAFKA_TLS_CERT: await file('cert.pem', pair?.cert ?? ''),
    MILLRACE_KAFKA_TLS_KEY: await file('key.pem', pair?.key ?? ''),
  })
  assert.deepEqual(await fromEnvironment(await certificate(client)), [])
  assert.equal((await fromEnvironment(await certificate(stranger))).length, 1)
  await fromPipeline({ brokers: [mutual], tls: { ca, ...client } })
  await assert.rejects(fromPipeline({ brokers: [mutual], tls: { ca, ...stranger } }), { code: 'AUTH' })
})
