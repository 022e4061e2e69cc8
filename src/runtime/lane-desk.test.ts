import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { MODEL_CONNECTORS, modelPlan } from '../testkit/model/model-plan.ts'
import type { ExchangeStep, Plan, Step } from '../plan/plan.ts'
import { linkExchanges } from './exchange/link-exchanges.ts'
import { LaneServices } from './lane-context.ts'
import { LaneDesk } from './lane-desk.ts'
import type { FromLane } from './messages.ts'

/** The model's source and a sink that cannot be opened, with an exchange between them. */
function brokenPlan(): Plan {
  const plan = modelPlan({ directory: '/', source: { splits: 1, rows: 1 }, lanes: 2, intervalMs: 1 })
  const exchange: ExchangeStep = {
    kind: 'exchange',
    id: 'out.exchange',
    routing: { key: ['n'], together: 'must', why: 'test' },
    schema: [{ name: 'n', type: 'bigint', nullable: true }],
    outputs: [{ to: 'out' }],
  }
  const steps = plan.steps.flatMap((step): Step[] => {
    if (step.kind === 'source') return [{ ...step, outputs: [{ to: exchange.id }] }, exchange]
    return step.kind === 'sink' ? [{ ...step, connector: 'nobody-knows-it' }] : [step]
  })
  return { ...plan, steps }
}

test('a lane that cannot open a step says so and closes its channels, so that its thread can end', async () => {
  const plan = brokenPlan()
  const [own = [], others = []] = linkExchanges(plan)
  const other = others[0]?.out[0]
  assert.ok(other !== undefined)
  const closed = once(other, 'close')
  const told: FromLane[] = []
  const data = { plan, lane: 0, lanes: 2, shared: [], exchanges: own, connectors: MODEL_CONNECTORS }
  const desk = new LaneDesk(new LaneServices(data, (message) => told.push(message)), (message) => told.push(message))
  await desk.open(data)
  assert.deepEqual(
    told.map((message) => (message.kind === 'failed' ? message.error.message : message.kind)),
    ['there is no connector "nobody-knows-it"'],
  )
  await closed
})
