import { lookup } from 'node:dns'
import { Socket } from 'node:net'
import { guardAddresses } from '../../core/address-guard.ts'

const guard = guardAddresses(lookup, (host) => `the database ${host}`, 'a database server')

/** A socket that connects to no address of metadata services or of "this link", also when a name resolves to one. */
export function guardedSocket(host: string, port: number): Socket {
  guard.assertAllowed(host)
  return new Socket().connect({ host, port, lookup: guard.lookup })
}
