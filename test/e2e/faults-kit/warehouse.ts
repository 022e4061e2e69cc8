import type { Emulator, EmulatorOptions } from '../../../src/testkit/emulators/options.ts'
import { CANARY } from './canary.ts'
import { startDorisEmulator } from '../../../src/testkit/emulators/doris/index.ts'
import { startStarRocksEmulator } from '../../../src/testkit/emulators/starrocks/index.ts'

export const EVENTS = {
  database: 'demo',
  table: 'events',
  model: 'duplicate',
  columns: [
    { name: 'id', type: 'BIGINT', nullable: false },
    { name: 'name', type: 'VARCHAR(8)' },
  ],
} as const

/** An emulated server in this process, with the table `demo.events`. */
export function startWarehouse(
  kind: 'starrocks' | 'doris' = 'starrocks',
  options: EmulatorOptions = {},
): Promise<Emulator> {
  const all = { tables: [EVENTS], password: CANARY, ...options }
  return kind === 'doris' ? startDorisEmulator(all) : startStarRocksEmulator(all)
}

/** The options of a sink that writes to `demo.events`, for a pipeline in flow style. */
export function sinkOf(kind: 'starrocks' | 'doris', { urls }: Emulator, more = ''): string {
  const list = urls.map((url) => `'${url}'`).join(', ')
  const login = more.includes('password:') ? '' : `, password: '${CANARY}'`
  const rest = more === '' ? '' : `, ${more}`
  return `connector: ${kind}, url: [${list}], database: ${EVENTS.database}, table: ${EVENTS.table}${login}${rest}`
}

/** Visible ids in order. */
export function idsOf(emulator: Emulator): number[] {
  return emulator
    .rows(EVENTS.database, EVENTS.table)
    .map((row) => Number(row['id']))
    .sort((a, b) => a - b)
}

/** Transactions that are neither visible nor aborted. */
export function openTransactions(emulator: Emulator): string[] {
  return emulator
    .transactions()
    .filter(({ state }) => state !== 'VISIBLE' && state !== 'ABORTED')
    .map(({ label, state }) => `${label} ${state}`)
}

/** 0, 1, … */
export function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, id) => id)
}
