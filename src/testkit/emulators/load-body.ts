import { decompress, type Compression } from './decompression.ts'
import type { Exchange } from './http-server.ts'
import type { LoadPlan } from './load-plan.ts'
import { CountingLoader, VerifyingLoader, type RowLoader } from './row-loader.ts'

export function makeLoader(plan: LoadPlan, mode: 'verify' | 'count'): RowLoader {
  return mode === 'count' ? new CountingLoader(plan) : new VerifyingLoader(plan)
}

/** The body of a load cannot be decompressed. */
export class BadBody extends Error {}

/** The load has failed although its body is still coming in. */
export class EarlyFailure extends Error {}

/**
 * Reads one request's body into the loader. Returns the bytes as sent. `doesFailEarly`: throws `EarlyFailure` as soon
 * as more of the body arrives for a load that is doomed.
 */
export async function receiveBody(
  exchange: Exchange,
  loader: RowLoader,
  compression: Compression | undefined,
  doesFailEarly = false,
): Promise<number> {
  if (compression === undefined) {
    const bytes = await exchange.readBody((chunk) => {
      if (doesFailEarly && loader.isDoomed) throw new EarlyFailure('rows were filtered')
      loader.push(chunk)
    })
    loader.endRequest()
    return bytes
  }
  const chunks: Buffer[] = []
  const bytes = await exchange.readBody((chunk) => chunks.push(chunk))
  if (compression === 'unsupported') throw new BadBody('this emulator cannot decompress bzip2 or lzo')
  let plain: Buffer
  try {
    plain = decompress(Buffer.concat(chunks), compression)
  } catch (error) {
    throw new BadBody(`Decompress failed: ${error instanceof Error ? error.message : String(error)}`)
  }
  loader.push(plain)
  loader.endRequest()
  return bytes
}
