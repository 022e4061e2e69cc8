import type { Clock, ConnectorContext } from '../../core/context.ts'
import { SlsClient, type CredentialsProvider } from '../../clients/sls/index.ts'
import { OptionCredentials } from './credentials.ts'
import type { SlsSourceOptions } from './options.ts'

/** Until a question that somebody waits for is given up. */
export const IMPATIENT_MS = 3000
/** A reader goes on asking as long as it takes: nothing is lost by waiting but time, and the log says so. */
export const PATIENT_MS: number = Number.POSITIVE_INFINITY

export function openClient(
  options: SlsSourceOptions,
  { baseDirectory, clock, log }: Pick<ConnectorContext, 'baseDirectory' | 'clock' | 'log'>,
  patienceMs: number,
): SlsClient {
  const { endpoint, project, logstore, region, signature } = options
  return new SlsClient({
    endpoint,
    project,
    logstore,
    credentials: credentialsOf(options, baseDirectory, clock),
    patienceMs,
    report: (message) => log.warn(message),
    random: Math.random,
    now: () => clock.now(),
    ...(region === undefined ? {} : { region }),
    ...(signature === 'auto' ? {} : { signature }),
  })
}

function credentialsOf(options: SlsSourceOptions, baseDirectory: string, clock: Clock): CredentialsProvider {
  return new OptionCredentials(options, baseDirectory, clock)
}
