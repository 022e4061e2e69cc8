/** Stream load into Doris without the engine; docs/load-clients.md tells how it is used. */
import { LoadClient, type LoadClientOptions } from './load-client.ts'
import { loadFromEnvironment } from './environment.ts'

export { MillraceError } from '../core/errors.ts'
export { Secret } from '../core/secret.ts'
export { JsonNumber } from '../core/exact-json.ts'
export { DorisTwoPhaseLoads, type DorisOptions } from '../clients/stream-load/index.ts'
export { BufferedLoader, type BufferedLoaderOptions, type LoaderStatistics } from './buffered-loader.ts'
export type { LoadClientOptions, LoadOptions, LoadResult } from './load-client.ts'
export type { LoadInput } from './load-input.ts'

/** Loads into tables of one Doris database. */
export class Doris extends LoadClient {
  constructor(options: LoadClientOptions) {
    super('doris', options)
  }

  /** As `MILLRACE_DORIS_URL` and its neighbours say. */
  static fromEnvironment(environment: Readonly<Record<string, string | undefined>> = process.env): Doris {
    return new Doris(loadFromEnvironment('doris', environment))
  }
}
