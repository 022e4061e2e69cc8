import { randomUUID } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { cacheDirectory, run } from './java-jars.ts'

/** The users that every SASL listener knows, by all mechanisms. The passwords are for tests on loopback only. */
export const KAFKA_USERS: Readonly<Record<string, string>> = { alice: 'alice-password', bob: 'bob-password' }

export interface KafkaPorts {
  readonly plaintext: number
  readonly controller: number
  readonly sasl: number | undefined
  readonly tls: number | undefined
}

/** `server.properties` of one KRaft node that is broker and controller, with settings that let transactions work alone. */
export function serverProperties(ports: KafkaPorts, dataDir: string, tlsKeyStore: string | undefined): string {
  const listeners = [`PLAINTEXT://127.0.0.1:${ports.plaintext}`]
  if (ports.sasl !== undefined) listeners.push(`SASL_PLAINTEXT://127.0.0.1:${ports.sasl}`)
  if (ports.tls !== undefined) listeners.push(`SSL://127.0.0.1:${ports.tls}`)
  const lines = [
    'process.roles=broker,controller',
    'node.id=1',
    `controller.quorum.voters=1@127.0.0.1:${ports.controller}`,
    `listeners=${listeners.join(',')},CONTROLLER://127.0.0.1:${ports.controller}`,
    `advertised.listeners=${listeners.join(',')}`,
    'listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,SSL:SSL',
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
  if (tlsKeyStore !== undefined) lines.push('ssl.keystore.type=PEM', `ssl.keystore.location=${tlsKeyStore}`)
  return `${lines.join('\n')}\n`
}

function saslLines(): string[] {
  const prefix = 'listener.name.sasl_plaintext'
  const users = Object.entries(KAFKA_USERS).map(([name, password]) => `user_${name}="${password}"`)
  const scram = 'org.apache.kafka.common.security.scram.ScramLoginModule required;'
  return [
    `${prefix}.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512`,
    `${prefix}.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required ${users.join(' ')};`,
    `${prefix}.scram-sha-256.sasl.jaas.config=${scram}`,
    `${prefix}.scram-sha-512.sasl.jaas.config=${scram}`,
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
    serverProperties({ plaintext: 1, controller: 2, sasl: undefined, tls: undefined }, scratch, undefined),
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
  /** The certificate of the authority that signed it, as PEM text. */
  readonly ca: string
}

/** A throw-away authority and a server certificate for 127.0.0.1 and localhost, made by openssl in `directory`. */
export function makeTlsFiles(directory: string): TlsFiles {
  mkdirSync(directory, { recursive: true })
  const at = (name: string): string => path.join(directory, name)
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  run('openssl', [
    'req',
    '-x509',
    ...key,
    '-days',
    '30',
    '-subj',
    '/CN=millrace test authority',
    '-keyout',
    at('ca.key'),
    '-out',
    at('ca.pem'),
  ])
  run('openssl', ['req', ...key, '-subj', '/CN=localhost', '-keyout', at('server.key'), '-out', at('server.csr')])
  writeFileSync(at('server.ext'), 'subjectAltName=DNS:localhost,IP:127.0.0.1\n')
  run('openssl', [
    'x509',
    '-req',
    '-in',
    at('server.csr'),
    '-CA',
    at('ca.pem'),
    '-CAkey',
    at('ca.key'),
    '-CAcreateserial',
    '-days',
    '30',
    '-extfile',
    at('server.ext'),
    '-out',
    at('server.pem'),
  ])
  const text = run('cat', [at('server.key'), at('server.pem'), at('ca.pem')])
  writeFileSync(at('keystore.pem'), text, { mode: 0o600 })
  return { keyStore: at('keystore.pem'), ca: run('cat', [at('ca.pem')]) }
}
