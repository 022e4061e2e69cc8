import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { MillraceError } from '../../core/errors.ts'
import { addressGuard, type PgAddress } from './address.ts'

/** SSLRequest: length 8, and the number that stands where a protocol version would. */
const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f])
const YES = 0x53

export interface SocketOptions {
  readonly address: PgAddress
  /** PEM text of the authorities to trust instead of the system's. */
  readonly ca?: string | undefined
  readonly connectTimeoutMs: number
}

export interface OpenedSocket {
  readonly socket: Socket
  readonly isEncrypted: boolean
}

/** Connects, and changes to TLS as `sslmode` wants it. Nothing was said to the server yet. */
export async function openSocket(options: SocketOptions): Promise<OpenedSocket> {
  const { address, connectTimeoutMs } = options
  const doing = `connecting to Postgres at ${address.host}:${address.port}`
  addressGuard.assertAllowed(address.host)
  const plain = connectTcp({ host: address.host, port: address.port, lookup: addressGuard.lookup, noDelay: true })
  plain.setKeepAlive(true, 30_000)
  const timer = setTimeout(
    () => plain.destroy(unavailable(doing, `no answer within ${connectTimeoutMs} ms`)),
    connectTimeoutMs,
  )
  try {
    await happened(plain, 'connect', doing)
    if (address.sslMode === 'disable') return { socket: plain, isEncrypted: false }
    plain.write(SSL_REQUEST)
    if ((await firstByte(plain, doing)) !== YES) {
      // Without a word about it only when nobody asked for more, as libpq does it.
      if (address.sslMode === 'prefer') return { socket: plain, isEncrypted: false }
      throw new MillraceError(`${doing}: the server has no TLS, and sslmode=${address.sslMode} wants it`, {
        code: 'CONFIG',
        retry: 'halt',
      })
    }
    const socket = connectTls({ socket: plain, ...tlsSettings(options) })
    await happened(socket, 'secureConnect', `${doing} with TLS`)
    return { socket, isEncrypted: true }
  } catch (error) {
    plain.destroy()
    throw error
  } finally {
    clearTimeout(timer)
  }
}

function tlsSettings({ address: { host, sslMode }, ca }: SocketOptions): object {
  const isChecked = sslMode === 'verify-ca' || sslMode === 'verify-full'
  return {
    rejectUnauthorized: isChecked,
    ...(isIP(host) === 0 ? { servername: host } : { host }),
    // verify-ca trusts whoever has a certificate of the authority, whatever its name.
    ...(sslMode === 'verify-ca' ? { checkServerIdentity: () => undefined } : {}),
    ...(ca === undefined ? {} : { ca }),
  }
}

function happened(socket: Socket, event: 'connect' | 'secureConnect', doing: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const failed = (error: Error): void => reject(error instanceof MillraceError ? error : networkError(doing, error))
  socket.once('error', failed)
  socket.once('close', () => reject(unavailable(doing, 'the server closed the connection')))
  socket.once(event, () => {
    socket.removeListener('error', failed)
    resolve()
  })
  return promise
}

/** Exactly one byte: what follows belongs to TLS, and must not have been sent before (CVE-2021-23222). */
async function firstByte(socket: Socket, doing: string): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
  const failed = (error: Error): void => reject(networkError(doing, error))
  const closed = (): void => reject(unavailable(doing, 'the server closed the connection'))
  socket.once('data', resolve).once('error', failed).once('close', closed)
  try {
    const chunk = await promise
    if (chunk.length !== 1) throw unavailable(doing, 'the server sent data before TLS began')
    return chunk[0] ?? 0
  } finally {
    socket.pause()
    socket.removeListener('data', resolve).removeListener('error', failed).removeListener('close', closed)
  }
}

function unavailable(doing: string, why: string): MillraceError {
  return new MillraceError(`${doing}: ${why}`, { code: 'UNAVAILABLE', retry: 'restart' })
}

/** A certificate that does not verify stays wrong however often we try; everything else of the network may pass. */
export function networkError(doing: string, error: Error): MillraceError {
  const code = 'code' in error ? String(error.code) : ''
  const isCertificate = /CERT|SELF_SIGNED|UNABLE_TO_VERIFY|ERR_TLS/.test(code)
  return new MillraceError(`${doing}: ${error.message}`, {
    code: isCertificate ? 'AUTH' : 'UNAVAILABLE',
    retry: isCertificate ? 'halt' : 'restart',
    cause: error,
  })
}
