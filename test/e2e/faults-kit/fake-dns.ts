/**
 * Preloaded into the program under test (`dnsOf`): names that answer as a hostile name server would. `checked` answers
 * those who look a name up to judge it, `connected` those who let the socket look it up; each list goes on with its last.
 */
import dns from 'node:dns'
import promises from 'node:dns/promises'
import { appendFileSync, readFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import path from 'node:path'
import { pathToFileURL } from 'node:url'

export interface Zone {
  readonly checked?: readonly string[]
  readonly connected?: readonly string[]
}

const ZONES = 'MILLRACE_TEST_DNS'
const LOG = 'MILLRACE_TEST_DNS_LOG'

/** The environment of a program that asks these zones. Every question becomes a line of `dns.log` in the directory. */
export function dnsOf(directory: string, zones: Readonly<Record<string, Zone>>): Record<string, string> {
  return {
    NODE_OPTIONS: `--import ${pathToFileURL(import.meta.filename).href}`,
    [ZONES]: JSON.stringify(zones),
    [LOG]: path.join(directory, 'dns.log'),
  }
}

/** How often a name was asked for so far. */
export function asked(directory: string, kind: keyof Zone, host: string): number {
  return linesOf(path.join(directory, 'dns.log')).filter((line) => line === `${kind} ${host}`).length
}

function linesOf(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').split('\n')
  } catch {
    return []
  }
}

const zones = JSON.parse(process.env[ZONES] ?? '{}') as Record<string, Zone>
const log = process.env[LOG]

function answer(kind: keyof Zone, host: string): string | undefined {
  const addresses = zones[host]?.[kind]
  if (addresses === undefined || log === undefined) return undefined
  appendFileSync(log, `${kind} ${host}\n`)
  return addresses[Math.min(asked(path.dirname(log), kind, host), addresses.length) - 1]
}

if (log !== undefined) {
  const real = { lookup: dns.lookup, check: promises.lookup }
  type Done = (error: Error | null, address: unknown, family?: number) => void
  const connected = (host: string, options: dns.LookupOptions, done: Done): void => {
    const address = answer('connected', host)
    if (address === undefined) return real.lookup(host, options, done as never)
    if (options.all === true) done(null, [{ address, family: 4 }])
    else done(null, address, 4)
  }
  const checked = async (host: string, options: dns.LookupOptions): Promise<unknown> => {
    const address = answer('checked', host)
    if (address === undefined) return real.check(host, options)
    return options.all === true ? [{ address, family: 4 }] : { address, family: 4 }
  }
  Object.assign(dns, { lookup: connected })
  Object.assign(promises, { lookup: checked })
  syncBuiltinESMExports()
}
