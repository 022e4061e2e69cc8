import { lookup } from 'node:dns'
import { guardAddresses, type AddressGuard } from '../../core/address-guard.ts'

export const addressGuard: AddressGuard = guardAddresses(
  lookup,
  (host) => `the MySQL server ${host}`,
  'a database server',
)
