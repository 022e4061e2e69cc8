import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import path from 'node:path'
import type { DatabaseName } from '../services/databases.ts'
import { describe, repository, type StageResult } from './stage.ts'

/** A server that lives as long as the test run, in a process of its own. */
export interface HostedService extends AsyncDisposable {
  readonly address: string
}

/** Starts the broker that integration and end-to-end tests share, under MILLRACE_KAFKA. */
export function hostKafka(): Promise<HostedService> {
  return hostService('Kafka', 'kafka-host.ts')
}

/** Starts the S3 server that they share, under MILLRACE_S3; at the first time it is compiled. */
export function hostS3(): Promise<HostedService> {
  return hostService('the S3 server', 's3-host.ts')
}

/** Starts a database server that they share; at the first time its packages are unpacked into the cache. */
export function hostDatabase(name: DatabaseName): Promise<HostedService> {
  return hostService(name, 'database-host.ts', name)
}

/** Tries twice: what a server needs comes over the network at its first start, on a machine that is busy with the checks. */
async function hostService(name: string, program: string, ...args: readonly string[]): Promise<HostedService> {
  const command = [path.join(repository, 'scripts', 'testing', program), ...args]
  const first = await startHost(command)
  if (typeof first !== 'string') return first
  const second = await startHost(command)
  if (typeof second !== 'string') return second
  throw new Error(`${name} did not start: ${first}\nand at the second try: ${second}`)
}

/** The service, or what its process said before it ended. */
async function startHost(command: readonly string[]): Promise<HostedService | string> {
  const host = spawn(process.execPath, command, { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
  let said = ''
  host.stderr?.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-4000)))
  // Not 'close', which a host never tells whose channel was disconnected here.
  const ended = Promise.all([once(host, 'exit'), host.stderr === null ? undefined : once(host.stderr, 'close')])
  const first = await Promise.race([once(host, 'message'), ended.then(() => undefined)])
  if (first === undefined) return said.trim()
  return {
    address: String(first[0]),
    async [Symbol.asyncDispose]() {
      if (host.connected) host.disconnect()
      await ended
    },
  }
}

/** Says where a server is, if it still answers: the unit tests ran since it was started. */
export async function checkService(service: HostedService): Promise<StageResult> {
  const place = service.address.replace(/^\w+:\/\/(?:[^@]*@)?/, '')
  const [host = '', port = ''] = place.split(':')
  const socket = connect(Number(port), host)
  try {
    await once(socket, 'connect')
    return { ok: true, output: place }
  } catch (error) {
    return { ok: false, output: `the server at ${place} has ended since it was started: ${describe(error)}` }
  } finally {
    socket.destroy()
  }
}

/** The servers that are never started here: which of them the environment names, and which are left out. */
export function realServers(): StageResult {
  const wanted = Object.entries({ StarRocks: 'MILLRACE_STARROCKS', Doris: 'MILLRACE_DORIS', SLS: 'MILLRACE_SLS' })
  const isNamed = ([, variable]: readonly [string, string]): boolean => (process.env[variable] ?? '') !== ''
  const words = (some: typeof wanted): string => some.map(([name, variable]) => `${name} (${variable})`).join(', ')
  const [named, missing] = [wanted.filter(isNamed), wanted.filter((one) => !isNamed(one))]
  const parts = [
    ...(named.length === 0 ? [] : [`tested too: real ${words(named)}`]),
    ...(missing.length === 0 ? [] : [`left out, no address in the environment: real ${words(missing)}`]),
  ]
  return { ok: true, output: parts.join('; ') }
}
