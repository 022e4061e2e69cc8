import type { Connector, SourceConnector } from '../../core/connector.ts'
import { httpSourceOptions, type HttpSourceOptions } from './options.ts'

const source: SourceConnector<HttpSourceOptions> = {
  options: httpSourceOptions,
  describe: () => ({
    delivery: {
      class: 'at-least-once',
      reason: 'what an address answers may be another thing the next time, and has no positions',
      assumptions: [],
      stronger: 'read it in a lookup, which needs no positions',
    },
    bounded: true,
    gives: ['bytes'],
    format: 'json',
    metadata: [],
    findings: [],
  }),
  create: async (options) => {
    const { HttpSource } = await import('./source.ts')
    return new HttpSource(options)
  },
  openKeyed: async (options, ask) => {
    const { HttpKeyed } = await import('./keyed.ts')
    return new HttpKeyed(options, ask)
  },
}

/** JSON over HTTP, mostly for lookups. */
export const connector: Connector = {
  name: 'http',
  summary: 'Reads the rows of one JSON answer over HTTP; made for lookups.',
  source,
}
