import { MillraceError } from '../../core/errors.ts'
import { startDorisEmulator } from './doris/index.ts'
import type { Emulator, EmulatorOptions } from './options.ts'
import { ManualClock } from './clock.ts'
import { startStarRocksEmulator } from './starrocks/index.ts'

/** `EmulatorOptions` as JSON; the clock is named instead of given. */
export interface EmulatorProcessOptions extends Omit<EmulatorOptions, 'clock'> {
  readonly kind: 'starrocks' | 'doris'
  /** `manual`: time stands still until the control API moves it. Default `real`. */
  readonly clock?: 'real' | 'manual'
}

/** Starts the emulator that the options describe. */
export async function startEmulator(options: EmulatorProcessOptions): Promise<Emulator> {
  const { kind, clock, ...rest } = options
  const isKnown = kind === 'doris' || kind === 'starrocks'
  if (!isKnown)
    throw new MillraceError(`starting an emulator: kind is ${String(kind)}, not starrocks or doris`, { code: 'CONFIG' })
  const all: EmulatorOptions = clock === 'manual' ? { ...rest, clock: new ManualClock() } : rest
  return kind === 'doris' ? startDorisEmulator(all) : startStarRocksEmulator(all)
}

// Started as a program: `node main.ts '{"kind":"starrocks","tables":[…]}'`. One line on stdout says where it listens.
if (import.meta.main) {
  const emulator = await startEmulator(JSON.parse(process.argv[2] ?? '{}') as EmulatorProcessOptions)
  const { urls, backends, controlUrl } = emulator
  process.stdout.write(`${JSON.stringify({ urls, backends, controlUrl })}\n`)
  const stop = (): void => void emulator.close().then(() => process.exit(0))
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
  // Whoever started us with a channel is gone.
  process.on('disconnect', stop)
}
