import { lookup } from 'node:dns'
import { Socket } from 'node:net'
import { guardAddresses, type AddressGuard } from '../../core/address-guard.ts'

const guard: AddressGuard = guardAddresses(lookup, (host) => `the database ${host}`, 'a database server')

/** @throws MillraceError `REDIRECT_DENIED` for such an address in plain digits. */
export function assertAllowedHost(host: string): void {
  guard.assertAllowed(host)
}

/** A socket that connects to no address of metadata services or of "this link", also when a name resolves to one. */
export class GuardedSocket extends Socket {
  /** As the driver calls it, with port and host. */
  override connect(...args: readonly unknown[]): this {
    const [port, host] = args
    return super.connect({ port: Number(port), host: String(host), lookup: guard.lookup })
  }
}
