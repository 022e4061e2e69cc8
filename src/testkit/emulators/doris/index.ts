import { Cluster, emulatorOf } from '../cluster.ts'
import { startControlApi } from '../control-api.ts'
import type { Emulator, EmulatorOptions } from '../options.ts'
import { Backend } from './backend.ts'
import { Frontend } from './frontend.ts'
import { DORIS_DEFAULTS, type DorisSettings } from './settings.ts'

export type { DorisSettings } from './settings.ts'

export type DorisEmulatorOptions = EmulatorOptions<DorisSettings>
export type DorisEmulator = Emulator

/** Bytes of a body that a frontend swallows after its early reply (`stream_load_redirect_bounded_drain_max_bytes`). */
const DRAIN_BYTES_MAX = 1024 * 1024

/** Starts frontends, backends and the control API on loopback ports. */
export async function startDorisEmulator(options: DorisEmulatorOptions = {}): Promise<DorisEmulator> {
  const settings: DorisSettings = { ...DORIS_DEFAULTS, ...options.settings }
  const cluster = new Cluster(options, settings, (made) => {
    const frontend = new Frontend(made)
    const backends = Array.from({ length: options.backends ?? 2 }, (_, index) => new Backend(made, settings, index))
    return {
      dialect: 'doris',
      preparedName: 'PRECOMMITTED',
      drainBytesMax: DRAIN_BYTES_MAX,
      frontendRoute: (exchange, index) => frontend.route(exchange, index),
      backendRoute: (exchange, index) => backends[index]?.route(exchange) ?? { run: () => ({ status: 404, body: '' }) },
      onFrontendRestart: () => undefined,
      // A load that was running ends with its connection.
      onBackendRestart: () => undefined,
      onExpire: () => undefined,
      onClose: () => undefined,
    }
  })
  await cluster.start()
  return emulatorOf(cluster, await startControlApi(cluster))
}
