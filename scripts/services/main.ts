/**
 * `node scripts/services/main.ts kafka start|stop`: a service that several test processes share. Its address goes into
 * `<cache>/services.json`; the test runner passes it on as MILLRACE_KAFKA.
 */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { cacheDirectory } from './java-jars.ts'
import { startKafka } from './kafka.ts'

interface SharedService {
  readonly pid: number
  readonly address: string
  readonly dataDir: string
}

const register = path.join(cacheDirectory(), 'services.json')

function readRegister(): Record<string, SharedService> {
  return existsSync(register) ? (JSON.parse(readFileSync(register, 'utf8')) as Record<string, SharedService>) : {}
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

async function start(name: string): Promise<string> {
  const services = readRegister()
  const running = services[name]
  if (running !== undefined && isAlive(running.pid)) return running.address
  const dataDir = path.join(cacheDirectory(), `${name}-data`)
  rmSync(dataDir, { recursive: true, force: true })
  const service = await startKafka({ dataDir, detached: true, sasl: true, tls: true })
  const entry: SharedService = { pid: service.pid, address: service.bootstrap, dataDir }
  writeFileSync(register, `${JSON.stringify({ ...readRegister(), [name]: entry }, undefined, 2)}\n`)
  return entry.address
}

async function stop(name: string): Promise<void> {
  const services = readRegister()
  const running = services[name]
  if (running === undefined) return
  if (isAlive(running.pid)) process.kill(running.pid, 'SIGTERM')
  while (isAlive(running.pid)) await new Promise((resolve) => setTimeout(resolve, 50))
  rmSync(running.dataDir, { recursive: true, force: true })
  delete services[name]
  writeFileSync(register, `${JSON.stringify(services, undefined, 2)}\n`)
}

const [name, verb] = process.argv.slice(2)
if (name !== 'kafka' || (verb !== 'start' && verb !== 'stop')) {
  process.stderr.write('usage: node scripts/services/main.ts kafka start|stop\n')
  process.exitCode = 2
} else if (verb === 'start') {
  process.stdout.write(`${await start(name)}\n`)
} else {
  await stop(name)
}
