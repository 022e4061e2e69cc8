import { spawn } from 'node:child_process'
import path from 'node:path'
import { repository, type StageResult } from './stage.ts'

/** A server that lives as long as the test run, in a process of its own. */
export interface HostedService extends AsyncDisposable {
  readonly address: string
}

/** Starts the broker that integration and end-to-end tests share, under MILLRACE_KAFKA. */
export function hostKafka(): Promise<HostedService> {
  const { promise, resolve, reject } = Promise.withResolvers<HostedService>()
  const said: Buffer[] = []
  const host = spawn(process.execPath, [path.join(repository, 'scripts', 'testing', 'kafka-host.ts')], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  const keep = (chunk: Buffer): void => void said.push(chunk)
  host.stdout?.on('data', keep)
  host.stderr?.on('data', keep)
  const exited = new Promise<void>((settled) => host.once('close', () => settled()))
  host.once('error', reject)
  void exited.then(() => reject(new Error(`Kafka did not start: ${Buffer.concat(said).toString().slice(-4000)}`)))
  host.once('message', (address) =>
    resolve({
      address: String(address),
      async [Symbol.asyncDispose]() {
        if (host.connected) host.disconnect()
        await exited
      },
    }),
  )
  return promise
}

/** The servers that are never started here: a line about each that has no address in the environment. */
export function leftOut(): StageResult {
  const wanted = { StarRocks: 'MILLRACE_STARROCKS', Doris: 'MILLRACE_DORIS' }
  const missing = Object.entries(wanted).filter(([, variable]) => (process.env[variable] ?? '') === '')
  const words = missing.map(([name, variable]) => `${name} (${variable})`).join(', ')
  return { ok: true, output: missing.length === 0 ? '' : `left out, no address in the environment: real ${words}` }
}
