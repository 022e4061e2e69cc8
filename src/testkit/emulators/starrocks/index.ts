import { Cluster, emulatorOf } from '../cluster.ts'
import { startControlApi } from '../control-api.ts'
import type { Emulator, EmulatorOptions } from '../options.ts'
import { Backend } from './backend.ts'
import { Frontend } from './frontend.ts'
import { STARROCKS_DEFAULTS, type StarRocksSettings } from './settings.ts'

export type { StarRocksSettings } from './settings.ts'

export type StarRocksEmulatorOptions = EmulatorOptions<StarRocksSettings>
export type StarRocksEmulator = Emulator

/** Bytes of a body sent without `Expect` that a frontend swallows before it cuts the connection. */
const DRAIN_BYTES_MAX = 64 * 1024

/** Starts frontends, backends and the control API on loopback ports. */
export async function startStarRocksEmulator(options: StarRocksEmulatorOptions = {}): Promise<StarRocksEmulator> {
  const settings: StarRocksSettings = { ...STARROCKS_DEFAULTS, ...options.settings }
  const cluster = new Cluster(options, settings, (made) => {
    const frontend = new Frontend(made, settings)
    const backends = Array.from({ length: options.backends ?? 2 }, (_, index) => new Backend(made, settings, index))
    return {
      dialect: 'starrocks',
      preparedName: 'PREPARED',
      drainBytesMax: DRAIN_BYTES_MAX,
      frontendRoute: (exchange, index) => frontend.route(exchange, index),
      backendRoute: (exchange, index) => backends[index]?.route(exchange) ?? { run: () => ({ status: 404, body: '' }) },
      onFrontendRestart: () => frontend.restart(),
      onBackendRestart: (index) => backends[index]?.restart(),
      onExpire: (_database, label) => {
        for (const backend of backends) backend.expire(label)
      },
      onClose: () => {
        for (const backend of backends) backend.close()
      },
    }
  })
  await cluster.start()
  return emulatorOf(cluster, await startControlApi(cluster))
}
