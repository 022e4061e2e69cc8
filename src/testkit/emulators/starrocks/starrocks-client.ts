import type { EmulatorTable } from '../options.ts'
import { sendFollowing, type RawReply, type RawRequest } from '../raw-http.ts'
import { startStarRocksEmulator, type StarRocksEmulator, type StarRocksEmulatorOptions } from './index.ts'

/** For the emulator's own tests: its operations as raw requests to the frontend. */
export const EVENTS: EmulatorTable = {
  database: 'shop',
  table: 'events',
  model: 'duplicate',
  columns: [
    { name: 'id', type: 'BIGINT', nullable: false },
    { name: 'name', type: 'VARCHAR(20)' },
    { name: 'amount', type: 'DECIMAL(12,2)' },
  ],
}

export const ORDERS: EmulatorTable = {
  database: 'shop',
  table: 'orders',
  model: 'primary',
  keys: ['id'],
  columns: [
    { name: 'id', type: 'BIGINT', nullable: false },
    { name: 'name', type: 'VARCHAR(20)' },
    { name: 'version', type: 'INT' },
  ],
}

export function startShop(options: StarRocksEmulatorOptions = {}): Promise<StarRocksEmulator> {
  return startStarRocksEmulator({ tables: [EVENTS, ORDERS], ...options })
}

export type StarRocksCall = (
  operation: string,
  label: string,
  more?: { headers?: Record<string, string>; body?: RawRequest['body']; table?: string },
) => Promise<RawReply & { readonly hops: string[] }>

/** `call('begin', 'L1')`: one operation, redirects followed, credentials on every hop. */
export function callerOf(emulator: StarRocksEmulator, database = 'shop'): StarRocksCall {
  return (operation, label, { headers = {}, body = '', table = 'events' } = {}) => {
    const isLoad = operation === 'load'
    return sendFollowing(`${emulator.urls[0]}/api/transaction/${operation}`, {
      method: isLoad ? 'PUT' : 'POST',
      headers: { label, db: database, table, ...(isLoad ? { expect: '100-continue' } : {}), ...headers },
      body,
    })
  }
}

/** Headers of a JSON array load. */
export const JSON_ARRAY: Record<string, string> = { format: 'json', strip_outer_array: 'true' }

export async function stateOf(emulator: StarRocksEmulator, label: string): Promise<unknown> {
  const reply = await sendFollowing(`${emulator.urls[0]}/api/shop/get_load_state?label=${label}`, { method: 'GET' })
  return reply.json['state']
}
