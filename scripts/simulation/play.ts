import { everyCellSchedule, scheduleOf, simulate, type Schedule } from '../../src/testkit/simulator/simulate.ts'

/** What a player is asked for: every `step`-th schedule from `from` on. */
export interface Part {
  readonly kind: 'seeds' | 'cells'
  readonly from: number
  readonly count: number
  readonly step: number
  readonly faults: number
}

export interface Played {
  readonly schedule: Schedule
  readonly violations: readonly string[]
  readonly hash: string
  readonly struck: number
}

// One core's share of a simulation, in a process of its own: what it plays goes to the parent as messages.
const part = JSON.parse(process.argv[2] ?? '{}') as Part
for (let index = part.from; index < part.from + part.count; index += part.step) {
  const schedule = part.kind === 'cells' ? everyCellSchedule(index) : scheduleOf(index, part.faults)
  const { violations, hash, struck } = await simulate(schedule)
  process.send?.({ schedule, violations, hash, struck } satisfies Played)
}
process.disconnect?.()
