import { PacketFields } from './packet-fields.ts'

/** Capability flags of the protocol (MySQL client/server protocol, "Capabilities Flags"). */
const CAPABILITIES = {
  longPassword: 1,
  longFlag: 1 << 2,
  protocol41: 1 << 9,
  tls: 1 << 11,
  transactions: 1 << 13,
  secureConnection: 1 << 15,
  pluginAuth: 1 << 19,
} as const

/** utf8mb4_general_ci: every server since 5.5 knows it. */
const UTF8MB4 = 45
const PACKET_MAX = 0xff_ff_ff

/** What the server says of itself when somebody connects. */
export interface Greeting {
  readonly version: string
  readonly threadId: number
  readonly capabilities: number
  readonly plugin: string
  readonly nonce: Buffer
}

export function parseGreeting(packet: Buffer): Greeting {
  const fields = new PacketFields(packet, 1)
  const version = fields.untilZero().toString('latin1')
  const threadId = fields.uint(4)
  const first = Buffer.from(fields.take(8))
  fields.at++
  let capabilities = fields.uint(2)
  fields.at += 3
  capabilities += fields.uint(2) * 0x10000
  const nonceLength = fields.uint(1)
  fields.at += 10
  const second = Buffer.from(fields.take(Math.max(12, nonceLength - 9)))
  fields.at++
  const plugin = fields.isAtEnd ? 'mysql_native_password' : fields.untilZero().toString('latin1')
  return { version, threadId, capabilities, plugin, nonce: Buffer.concat([first, second]) }
}

export function offersTls({ capabilities }: Greeting): boolean {
  return (capabilities & CAPABILITIES.tls) !== 0
}

/** The first half of a login: all there is to say before the connection is encrypted. */
export function tlsRequest(): Buffer {
  return loginHead(true)
}

/** LOCAL INFILE, several statements in one and compression are not among the capabilities: a server cannot ask for them. */
function loginHead(isEncrypted: boolean): Buffer {
  const { longPassword, longFlag, protocol41, transactions, secureConnection, pluginAuth, tls } = CAPABILITIES
  const head = Buffer.alloc(32)
  const wanted = longPassword | longFlag | protocol41 | transactions | secureConnection | pluginAuth
  head.writeUInt32LE((isEncrypted ? wanted | tls : wanted) >>> 0, 0)
  head.writeUInt32LE(PACKET_MAX, 4)
  head.writeUInt8(UTF8MB4, 8)
  return head
}

export function loginRequest(username: string, answer: Buffer, plugin: string, isEncrypted: boolean): Buffer {
  return Buffer.concat([
    loginHead(isEncrypted),
    Buffer.from(`${username}\0`),
    Buffer.from([answer.length]),
    answer,
    Buffer.from(`${plugin}\0`),
  ])
}
