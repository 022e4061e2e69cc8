import { setTimeout as pause } from 'node:timers/promises'
import type { Clock, LaneContext, Logger, SourceContext, CoordinatorContext } from '../core/context.ts'
import { MillraceError } from '../core/errors.ts'

/** Says nothing. */
export const silentLog: Logger = { debug() {}, info() {}, warn() {}, error() {} }

/** The machine's clock. */
export const realClock: Clock = {
  now: () => Date.now(),
  sleep: async (ms, signal) => {
    await pause(ms, undefined, signal && { signal }).catch(() => undefined)
  },
  after: (ms, action) => {
    const timer = setTimeout(action, ms)
    return () => clearTimeout(timer)
  },
}

const times = { intervalMs: 10_000, timeoutMs: 60_000, maxDowntimeMs: 3_600_000, retained: 3 }

/** What a connector's test needs of the engine on the coordinator's side. */
export function testSourceContext(overrides: Partial<SourceContext> = {}): SourceContext {
  return {
    job: 'test',
    id: 'test',
    baseDirectory: '/',
    log: silentLog,
    clock: realClock,
    times,
    openStore: absent('store'),
    ...overrides,
  }
}

/** What a connector's test needs of the engine in a lane: JSON bytes, no store, no database. */
export function testLaneContext(overrides: Partial<LaneContext> = {}): LaneContext {
  return {
    ...testSourceContext(),
    lane: 0,
    lanes: 1,
    meter: { count() {}, observe() {} },
    delivery: 'two-phase',
    format: { kind: 'bytes', format: 'json', separator: 0x0a },
    schema: undefined,
    metadata: [],
    database: absent('database'),
    ...overrides,
  }
}

/** What a sink's test needs of the engine on the coordinator's side. */
export function testCoordinatorContext(overrides: Partial<CoordinatorContext> = {}): CoordinatorContext {
  return { ...testSourceContext(), schema: undefined, lanes: 1, delivery: 'two-phase', ...overrides }
}

function absent(what: string): () => Promise<never> {
  return async () => {
    throw new MillraceError(`this test gave no ${what}`, { code: 'INTERNAL' })
  }
}
