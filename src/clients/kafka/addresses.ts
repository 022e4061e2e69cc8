import { lookup } from 'node:dns'
import { guardAddresses, type AddressGuard } from '../../core/address-guard.ts'

/** Brokers advertise hosts as they like. */
export const addressGuard: AddressGuard = guardAddresses(lookup, (host) => `Kafka broker ${host}`, 'a broker')
