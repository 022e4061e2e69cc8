import type { EmulatorTable } from '../options.ts'
import { sendFollowing, type RawReply, type RawRequest } from '../raw-http.ts'
import { startDorisEmulator, type DorisEmulator, type DorisEmulatorOptions } from './index.ts'

/** For the emulator's own tests: its operations as raw requests. */
export const EVENTS: EmulatorTable = {
  database: 'shop',
  table: 'events',
  model: 'duplicate',
  columns: [
    { name: 'id', type: 'BIGINT', nullable: false },
    { name: 'name', type: 'VARCHAR(20)' },
    { name: 'at', type: 'DATETIME(3)' },
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

export function startShop(options: DorisEmulatorOptions = {}): Promise<DorisEmulator> {
  return startDorisEmulator({ tables: [EVENTS, ORDERS], ...options })
}

type Reply = Promise<RawReply & { readonly hops: string[] }>

export interface DorisCalls {
  load(
    label: string,
    body: RawRequest['body'],
    options?: { headers?: Record<string, string>; table?: string; isTwoPhase?: boolean },
  ): Reply
  /** `by` is a transaction id or a label. */
  twoPhase(operation: 'commit' | 'abort', by: unknown): Reply
  state(label: string): Promise<unknown>
}

export function callsOf(emulator: DorisEmulator): DorisCalls {
  const url = String(emulator.urls[0])
  return {
    load: (label, body = '', { headers = {}, table = 'events', isTwoPhase = true } = {}) =>
      sendFollowing(`${url}/api/shop/${table}/_stream_load`, {
        method: 'PUT',
        headers: {
          expect: '100-continue',
          ...(label === '' ? {} : { label }),
          ...(isTwoPhase ? { two_phase_commit: 'true' } : {}),
          ...headers,
        },
        body,
      }),
    twoPhase: (operation, by) => {
      const named: Record<string, string> = typeof by === 'number' ? { txn_id: String(by) } : { label: String(by) }
      const headers = { txn_operation: operation, ...named }
      return sendFollowing(`${url}/api/shop/_stream_load_2pc`, { method: 'PUT', headers })
    },
    state: async (label) => {
      const reply = await sendFollowing(`${url}/api/shop/get_load_state?label=${label}`, { method: 'GET' })
      return reply.json['data']
    },
  }
}

export const JSON_LINES: Record<string, string> = { format: 'json', read_json_by_line: 'true' }
