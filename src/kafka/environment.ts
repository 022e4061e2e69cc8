import { readFileSync } from 'node:fs'
import { MillraceError } from '../core/errors.ts'
import { Secret } from '../core/secret.ts'
import type { KafkaClientOptions, SaslMechanism } from '../clients/kafka/index.ts'
import type { RegistryOptions } from '../clients/schema-registry/index.ts'

export interface EnvironmentEntry {
  readonly name: string
  readonly meaning: string
  readonly isSecret?: boolean
}

/** Every variable that the toolkit reads; docs/kafka-toolkit.md has the same table. */
export const KAFKA_ENVIRONMENT: readonly EnvironmentEntry[] = [
  { name: 'MILLRACE_KAFKA_BROKERS', meaning: '`host:port` of one broker or more, separated by commas. Required.' },
  {
    name: 'MILLRACE_KAFKA_CLIENT_ID',
    meaning: 'Name of the client in the brokers’ logs and quotas. Default: millrace.',
  },
  { name: 'MILLRACE_KAFKA_SASL_MECHANISM', meaning: '`PLAIN`, `SCRAM-SHA-256`, `SCRAM-SHA-512` or `OAUTHBEARER`.' },
  { name: 'MILLRACE_KAFKA_USERNAME', meaning: 'Name for PLAIN and SCRAM.' },
  {
    name: 'MILLRACE_KAFKA_PASSWORD',
    meaning: 'Password for PLAIN and SCRAM; the token for OAUTHBEARER.',
    isSecret: true,
  },
  { name: 'MILLRACE_KAFKA_TLS', meaning: '`true` encrypts the connections. Default: with one of the files below.' },
  { name: 'MILLRACE_KAFKA_TLS_CA', meaning: 'PEM file of the authorities to trust instead of the system’s.' },
  { name: 'MILLRACE_KAFKA_TLS_CERT', meaning: 'PEM file of the client’s certificate, for mutual TLS.' },
  { name: 'MILLRACE_KAFKA_TLS_KEY', meaning: 'PEM file of its private key.' },
  {
    name: 'MILLRACE_KAFKA_ALLOW_PLAINTEXT',
    meaning: '`true` allows a PLAIN password or a token without TLS to a host that is not loopback.',
  },
  { name: 'MILLRACE_KAFKA_REGISTRY_URL', meaning: 'Address of the schema registry, for `Schemas.fromEnvironment()`.' },
  { name: 'MILLRACE_KAFKA_REGISTRY_USERNAME', meaning: 'User, where it asks for one.' },
  { name: 'MILLRACE_KAFKA_REGISTRY_PASSWORD', meaning: 'Its password.', isSecret: true },
]

const MECHANISMS: readonly SaslMechanism[] = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512', 'OAUTHBEARER']

type Environment = Readonly<Record<string, string | undefined>>

/** How to reach a cluster, as the environment says. Unknown `MILLRACE_KAFKA_` names are refused: they are misspelt. */
export function kafkaFromEnvironment(environment: Environment): KafkaClientOptions {
  const read = readerOf(environment)
  const brokers = read('BROKERS')
  if (brokers === undefined) throw wrong('MILLRACE_KAFKA_BROKERS is not set; it is host:port of a broker')
  const clientId = read('CLIENT_ID')
  const sasl = saslOf(read)
  const tls = tlsOf(read)
  return {
    brokers: brokers.split(',').map((broker) => broker.trim()),
    allowPlaintext: isTrue(read('ALLOW_PLAINTEXT'), 'ALLOW_PLAINTEXT'),
    ...(clientId === undefined ? {} : { clientId }),
    ...(sasl === undefined ? {} : { sasl }),
    ...(tls === undefined ? {} : { tls }),
  }
}

/** How to reach the schema registry, as the environment says. */
export function registryFromEnvironment(environment: Environment): RegistryOptions {
  const read = readerOf(environment)
  const url = read('REGISTRY_URL')
  if (url === undefined) throw wrong('MILLRACE_KAFKA_REGISTRY_URL is not set; it is the address of the schema registry')
  const password = read('REGISTRY_PASSWORD')
  return {
    url,
    username: read('REGISTRY_USERNAME'),
    password: password === undefined ? undefined : new Secret(password),
    allowPlaintext: isTrue(read('ALLOW_PLAINTEXT'), 'ALLOW_PLAINTEXT'),
  }
}

function readerOf(environment: Environment): Read {
  const known = new Set(KAFKA_ENVIRONMENT.map(({ name }) => name))
  const unknown = Object.keys(environment).filter((name) => name.startsWith('MILLRACE_KAFKA_') && !known.has(name))
  if (unknown.length > 0) throw wrong(`there is no variable ${unknown.join(', ')}`)
  return (name) => environment[`MILLRACE_KAFKA_${name}`] || undefined
}

type Read = (name: string) => string | undefined

function saslOf(read: Read): KafkaClientOptions['sasl'] {
  const mechanism = read('SASL_MECHANISM')
  if (mechanism === undefined) {
    if (read('PASSWORD') === undefined) return undefined
    throw wrong('MILLRACE_KAFKA_PASSWORD is set, but not MILLRACE_KAFKA_SASL_MECHANISM')
  }
  const found = MECHANISMS.find((one) => one === mechanism)
  if (found === undefined) throw wrong(`MILLRACE_KAFKA_SASL_MECHANISM is one of ${MECHANISMS.join(', ')}`)
  const password = new Secret(read('PASSWORD') ?? '')
  return { mechanism: found, username: read('USERNAME') ?? '', password }
}

function tlsOf(read: Read): KafkaClientOptions['tls'] {
  const [ca, cert, key] = ['TLS_CA', 'TLS_CERT', 'TLS_KEY'].map((name) => fileOf(name, read(name)))
  const wanted = read('TLS')
  const isOn = wanted === undefined ? (ca ?? cert ?? key) !== undefined : isTrue(wanted, 'TLS')
  if (!isOn) return undefined
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key: new Secret(key) }),
  }
}

function fileOf(name: string, path: string | undefined): string | undefined {
  if (path === undefined) return undefined
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new MillraceError(`MILLRACE_KAFKA_${name}: ${path} cannot be read`, { code: 'CONFIG', cause })
  }
}

function isTrue(text: string | undefined, name: string): boolean {
  if (text === undefined || text === 'false') return false
  if (text === 'true') return true
  throw wrong(`MILLRACE_KAFKA_${name} is true or false`)
}

function wrong(message: string): MillraceError {
  return new MillraceError(`reading the environment: ${message}`, { code: 'CONFIG' })
}
