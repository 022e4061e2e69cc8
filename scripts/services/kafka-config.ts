import { randomUUID } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { cacheDirectory, run } from './java-jars.ts'

/** The users that every SASL listener knows, by all mechanisms. The passwords are for tests on loopback only. */
export const KAFKA_USERS: Readonly<Record<string, string>> = { alice: 'alice-password', bob: 'bob-password' }

export interface KafkaPorts {
  readonly plaintext: number
  readonly controller: number
  readonly sasl: number | undefined
  readonly tls: number | undefined
  /** TLS that asks for a certificate of the client. */
  readonly mutualTls: number | undefined
}

/** `server.properties` of one KRaft node that is broker and controller, with settings that let transactions work alone. */
export function serverProperties(ports: KafkaPorts, dataDir: string, tls: TlsFiles | undefined): string {
  const listeners = [`PLAINTEXT://127.0.0.1:${ports.plaintext}`]
  if (ports.sasl !== undefined) listeners.push(`SASL_PLAINTEXT://127.0.0.1:${ports.sasl}`)
  if (ports.tls !== undefined) listeners.push(`SSL://127.0.0.1:${ports.tls}`)
  if (ports.mutualTls !== undefined) listeners.push(`MUTUAL://127.0.0.1:${ports.mutualTls}`)
  const lines = [
    'process.roles=broker,controller',
    'node.id=1',
    `controller.quorum.voters=1@127.0.0.1:${ports.controller}`,
    `listeners=${listeners.join(',')},CONTROLLER://127.0.0.1:${ports.controller}`,
    `advertised.listeners=${listeners.join(',')}`,
    'listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,SSL:SSL,MUTUAL:SSL',
    'controller.listener.names=CONTROLLER',
    'inter.broker.listener.name=PLAINTEXT',
    `log.dirs=${path.join(dataDir, 'logs')}`,
    'auto.create.topics.enable=false',
    'offsets.topic.num.partitions=4',
    'offsets.topic.replication.factor=1',
    'transaction.state.log.num.partitions=4',
    'transaction.state.log.replication.factor=1',
    'transaction.state.log.min.isr=1',
    'transaction.max.timeout.ms=14400000',
    'transaction.abort.timed.out.transaction.cleanup.interval.ms=500',
    'share.coordinator.state.topic.replication.factor=1',
    'share.coordinator.state.topic.min.isr=1',
    'group.initial.rebalance.delay.ms=0',
    'log.segment.bytes=268435456',
    // After a SIGKILL the controller refuses the new broker until the session of the dead one has run out.
    'broker.session.timeout.ms=2000',
    'broker.heartbeat.interval.ms=400',
    'num.network.threads=2',
    'num.io.threads=4',
    'log.cleaner.dedupe.buffer.size=16777216',
  ]
  if (ports.sasl !== undefined) lines.push(...saslLines())
  if (tls !== undefined) lines.push('ssl.keystore.type=PEM', `ssl.keystore.location=${tls.keyStore}`)
  if (tls !== undefined && ports.mutualTls !== undefined) {
    const prefix = 'listener.name.mutual.ssl'
    lines.push(`${prefix}.client.auth=required`, `${prefix}.truststore.type=PEM`)
    lines.push(`${prefix}.truststore.location=${tls.caFile}`)
  }
  return `${lines.join('\n')}\n`
}

function saslLines(): string[] {
  const prefix = 'listener.name.sasl_plaintext'
  const users = Object.entries(KAFKA_USERS).map(([name, password]) => `user_${name}="${password}"`)
  const scram = 'org.apache.kafka.common.security.scram.ScramLoginModule required;'
  return [
    `${prefix}.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER`,
    `${prefix}.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required ${users.join(' ')};`,
    `${prefix}.scram-sha-256.sasl.jaas.config=${scram}`,
    `${prefix}.scram-sha-512.sasl.jaas.config=${scram}`,
    // Tokens without a signature are enough for tests (Kafka's OAuthBearerUnsecuredValidatorCallbackHandler).
    `${prefix}.oauthbearer.sasl.jaas.config=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";`,
  ]
}

/**
 * Fills `<dataDir>/logs` with what `StorageTool format` writes, the SCRAM users included. The tool costs a JVM start,
 * so it runs once and its files are kept as a template; that all test brokers share a cluster id harms nobody.
 */
export function formatStorage(jars: string, dataDir: string): void {
  const template = path.join(cacheDirectory(), 'kafka', 'formatted')
  if (!existsSync(template)) makeTemplate(jars, template)
  cpSync(template, path.join(dataDir, 'logs'), { recursive: true })
}

function makeTemplate(jars: string, template: string): void {
  const scratch = `${template}.${process.pid}`
  rmSync(scratch, { recursive: true, force: true })
  mkdirSync(scratch, { recursive: true })
  const properties = path.join(scratch, 'server.properties')
  writeFileSync(
    properties,
    serverProperties(
      { plaintext: 1, controller: 2, sasl: undefined, tls: undefined, mutualTls: undefined },
      scratch,
      undefined,
    ),
  )
  const clusterId = Buffer.from(randomUUID().replaceAll('-', ''), 'hex').toString('base64url')
  const users = Object.entries(KAFKA_USERS).flatMap(([name, password]) =>
    ['SCRAM-SHA-256', 'SCRAM-SHA-512'].flatMap((mechanism) => [
      '--add-scram',
      `${mechanism}=[name=${name},password=${password},iterations=4096]`,
    ]),
  )
  run('java', ['-cp', `${jars}/*`, 'kafka.tools.StorageTool', 'format', '-t', clusterId, '-c', properties, ...users])
  rmSync(template, { recursive: true, force: true })
  renameSync(path.join(scratch, 'logs'), template)
  rmSync(scratch, { recursive: true, force: true })
}

export interface TlsFiles {
  /** PEM file with the server's key and certificate chain, as Kafka's `ssl.keystore.type=PEM` wants it. */
  readonly keyStore: string
  /** PEM file with the certificate of the authority that signed it and those of clients. */
  readonly caFile: string
  /** The same as text. */
  readonly ca: string
  /** A certificate of a client, from that authority, and one that it made itself, with their keys, as PEM text. */
  readonly client: { readonly cert: string; readonly key: string }
  readonly stranger: { readonly cert: string; readonly key: string }
}

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']

/** A throw-away authority, and what it signed: a server's certificate for 127.0.0.1 and localhost, and a client's. */
export function makeTlsFiles(directory: string): TlsFiles {
  mkdirSync(directory, { recursive: true })
  const at = (name: string): string => path.join(directory, name)
  const read = (name: string): string => readFileSync(at(name), 'utf8')
  const selfSigned = (name: string, subject: string): void => {
    const subjectArgs = ['-subj', `/CN=${subject}`, '-keyout', at(`${name}.key`), '-out', at(`${name}.pem`)]
    run('openssl', ['req', '-x509', ...NEW_KEY, '-days', '30', ...subjectArgs])
  }
  const signed = (name: string, subject: string, extension: string): void => {
    const request = at(`${name}.csr`)
    run('openssl', ['req', ...NEW_KEY, '-subj', `/CN=${subject}`, '-keyout', at(`${name}.key`), '-out', request])
    writeFileSync(at(`${name}.ext`), `${extension}\n`)
    const by = ['-CA', at('ca.pem'), '-CAkey', at('ca.key'), '-CAcreateserial', '-days', '30']
    run('openssl', ['x509', '-req', '-in', request, ...by, '-extfile', at(`${name}.ext`), '-out', at(`${name}.pem`)])
  }
  selfSigned('ca', 'millrace test authority')
  selfSigned('stranger', 'stranger')
  signed('server', 'localhost', 'subjectAltName=DNS:localhost,IP:127.0.0.1')
  signed('client', 'alice', 'extendedKeyUsage=clientAuth')
  writeFileSync(at('keystore.pem'), `${read('server.key')}${read('server.pem')}${read('ca.pem')}`, { mode: 0o600 })
  const pair = (name: string): TlsFiles['client'] => ({ cert: read(`${name}.pem`), key: read(`${name}.key`) })
  return {
    keyStore: at('keystore.pem'),
    caFile: at('ca.pem'),
    ca: read('ca.pem'),
    client: pair('client'),
    stranger: pair('stranger'),
  }
}
