import type { Finding } from '../../core/checkpoint-types.ts'
import type { Connector, SourceConnector, SourceDescription } from '../../core/connector.ts'
import { parseEndpoint } from '../../clients/sls/index.ts'
import { slsSourceOptions, type SlsSourceOptions } from './options.ts'

const source: SourceConnector<SlsSourceOptions> = {
  options: slsSourceOptions,
  describe,
  create: async (options) => {
    const { SlsSource } = await import('./source.ts')
    return new SlsSource(options)
  },
}

/** Alibaba Cloud Log Service (SLS), in general consumption mode. */
export const connector: Connector = {
  name: 'sls',
  summary: 'Reads logstores of Alibaba Cloud Log Service: shards assigned by us, cursors in checkpoints.',
  source,
}

function describe(options: SlsSourceOptions): SourceDescription {
  return {
    delivery: {
      class: 'atomic',
      reason: 'cursors are exact positions, and what expired before it was read is noticed by their numbers',
      assumptions: [],
    },
    bounded: options.end !== 'never',
    gives: ['table', 'bytes'],
    format: 'json',
    metadata: [
      { name: '_time', type: 'timestamptz', nullable: false },
      { name: '_topic', type: 'varchar', nullable: false },
      { name: '_source', type: 'varchar', nullable: false },
      { name: '_tags', type: 'json', nullable: false },
      { name: '_shard', type: 'integer', nullable: false },
      { name: '_offset', type: 'bigint', nullable: false },
      { name: '_index', type: 'integer', nullable: false },
    ],
    rebalance: options.rebalance === 'on-skew',
    findings: [...findingsOf(options)],
  }
}

function* findingsOf({ endpoint, project, signature, region }: SlsSourceOptions): Iterable<Finding> {
  const parsed = parseEndpoint(endpoint, project)
  if (parsed.scheme === 'http' && !/^(localhost|127\.|::1$)/.test(parsed.host)) {
    const message = `logs and temporary tokens travel unencrypted to ${parsed.host}`
    yield {
      severity: 'warning',
      code: 'CONFIG',
      message,
      hint: 'Use https:// in front of the endpoint.',
      path: ['endpoint'],
    }
  }
  if (signature === 'v4' && region === undefined && parsed.region === undefined) {
    const message = 'signature v4 needs a region, which the name of the endpoint does not tell'
    yield { severity: 'error', code: 'CONFIG', message, hint: 'Set `region`.', path: ['region'] }
  }
}
