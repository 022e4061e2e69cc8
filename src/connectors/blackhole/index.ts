import type { Connector, SinkConnector, SinkDescription } from '../../core/connector.ts'
import { blackholeOptions, type BlackholeOptions } from './options.ts'

const sink: SinkConnector<BlackholeOptions> = {
  options: blackholeOptions,
  describe: (): SinkDescription => ({
    delivery: { class: 'atomic', reason: 'nothing is stored, so nothing is stored twice', assumptions: [] },
    takes: [{ kind: 'bytes', format: 'raw', separator: 0x0a }, { kind: 'table' }, { kind: 'rows' }],
    writers: 'lanes',
    findings: [],
  }),
  create: async () => {
    const { BlackholeSink } = await import('./sink.ts')
    return new BlackholeSink()
  },
}

/** Counts rows and drops them: for measuring sources, and for branches of a route that nobody wants. */
export const connector: Connector = {
  name: 'blackhole',
  summary: 'Counts rows and drops them.',
  sink,
}
