import type { Clock } from '../../core/context.ts'
import type { LaneDatabase } from '../../dataplane/lane-database.ts'
import type { ExchangeStep } from '../../plan/plan.ts'
import type { ExchangeLinks } from './link-exchanges.ts'
import { LocalOutlet, RemoteOutlet } from './outlet.ts'
import { ExchangeReceiver } from './receiver.ts'
import { ExchangeSender } from './sender.ts'
import { Spreader } from './spreader.ts'

export interface ExchangeServices {
  readonly lane: number
  readonly lanes: number
  readonly links: ExchangeLinks
  readonly clock: Clock
  database(): Promise<LaneDatabase>
  failed(error: unknown): void
}

/** One lane's two ends of an exchange. */
export interface ExchangeEnds {
  readonly sender: ExchangeSender
  readonly receiver: ExchangeReceiver
  readonly spreader: Spreader | undefined
}

export async function openExchange(step: ExchangeStep, services: ExchangeServices): Promise<ExchangeEnds> {
  const { id, schema, inner, routing } = step
  const { lane, lanes, links, failed } = services
  // DuckDB is loaded only by lanes that need it.
  const [{ TableBlocks }, { TableRouter }] = await Promise.all([
    import('./table-blocks.ts'),
    import('./table-router.ts'),
  ])
  const database = (): Promise<LaneDatabase> => services.database()
  const spreader = routing.together === 'may' ? new Spreader(lanes) : undefined
  const blocks = new TableBlocks(id, schema, database, inner)
  const receiver = new ExchangeReceiver({ id, ports: links.in, unpack: (block) => blocks.unpack(block), failed })
  const outlets = links.out.map((port) =>
    port === undefined ? new LocalOutlet(receiver, lane) : new RemoteOutlet(port),
  )
  const router = new TableRouter({ id, lane, lanes, key: routing.key, schema, inner, database, spreader })
  return { sender: new ExchangeSender({ outlets, router, clock: services.clock, failed }), receiver, spreader }
}
