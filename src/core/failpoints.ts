import { appendFileSync, existsSync } from 'node:fs'
import { ERROR_CODES, type ErrorCode } from './error-codes.ts'
import { MillraceError } from './errors.ts'

/**
 * Places where tests kill, stop or fail the process. The names are the protocol's steps; the campaigns enumerate them
 * from this one registry. A failpoint costs a property lookup when none is set.
 */
export const FAILPOINTS = [
  'chk.trigger',
  'chk.barrier',
  'chk.align',
  'sink.flush',
  'sink.prepare',
  'chk.ack',
  'store.blob',
  'store.manifest.write',
  'store.manifest.fsync',
  'store.manifest.publish',
  'store.dirsync',
  'commit',
  'commit.nth',
  'evidence',
  'confirm',
  'ack.upstream',
  'gc.select',
  'gc.delete',
  'restore.claim',
  'restore.read',
  'restore.recommit',
  'restore.abort',
  'restore.seek',
  'final.drain',
  'final.publish',
  'final.commit',
  'final.finished',
  'stop.barrier',
  'stop.exit',
  'savepoint.copy',
  'decision.apply',
] as const

export type Failpoint = (typeof FAILPOINTS)[number]
/** `sent` exists for remote calls: the request was delivered and the reply is lost. */
export type FailpointPosition = 'before' | 'after' | 'sent'
export type FailpointAction = 'kill' | 'stop' | 'error' | 'mark'

export interface ArmedFailpoint {
  readonly name: string
  readonly position: string
  /** Acts at this hit, counted from 1 in each thread. */
  readonly nth: number
  readonly action: FailpointAction
  /** For `error`: the code that halts the job. Without one it is an error that nobody expected. */
  readonly code?: ErrorCode
}

const armed: ArmedFailpoint[] = parseFailpoints(process.env['MILLRACE_FAILPOINTS'] ?? '')
/** Hits count once this file exists, for tests that wait for something else first. */
const gate = process.env['MILLRACE_FAILPOINT_GATE']
const hits = new Map<string, number>()
let watcher: ((name: Failpoint, position: FailpointPosition) => void) | undefined

/** Parses `name:position[@nth]=action[,…]`, for example `store.manifest.publish:after@2=kill` or `chk.ack:before=error/ACCOUNTING`. */
export function parseFailpoints(text: string): ArmedFailpoint[] {
  return text
    .split(',')
    .filter((part) => part.trim() !== '')
    .map((part) => {
      const match = /^\s*([a-z.]+):(before|after|sent)(?:@(\d+))?=(kill|stop|error|mark)(?:\/([A-Z_]+))?\s*$/.exec(part)
      if (match === null) throw new Error(`MILLRACE_FAILPOINTS: cannot read "${part}"`)
      const [, name = '', position = '', nth = '1', action = 'kill', code] = match
      if (!(FAILPOINTS as readonly string[]).includes(name)) {
        throw new Error(`MILLRACE_FAILPOINTS: there is no failpoint "${name}"`)
      }
      const point = { name, position, nth: Number(nth), action: action as FailpointAction }
      if (code === undefined) return point
      if (action !== 'error' || !isErrorCode(code)) throw new Error(`MILLRACE_FAILPOINTS: cannot read "${part}"`)
      return { ...point, code }
    })
}

function isErrorCode(text: string): text is ErrorCode {
  return text in ERROR_CODES
}

/** Marks a protocol step. Does nothing unless a test armed this failpoint. */
export function failpoint(name: Failpoint, position: FailpointPosition): void {
  watcher?.(name, position)
  if (armed.length === 0 || (gate !== undefined && !existsSync(gate))) return
  const key = `${name}:${position}`
  const count = (hits.get(key) ?? 0) + 1
  hits.set(key, count)
  for (const point of armed) {
    if (point.name === name && point.position === position && point.nth === count) act(point, key)
  }
}

/** For a simulator that runs several processes in one: it hears of every step, and may throw. */
export function watchFailpoints(watch: typeof watcher): void {
  watcher = watch
}

function act(point: ArmedFailpoint, key: string): void {
  const trace = process.env['MILLRACE_FAILPOINT_TRACE']
  if (trace !== undefined) appendFileSync(trace, `${process.pid} ${key}@${point.nth} ${point.action}\n`)
  if (point.action === 'kill') process.kill(process.pid, 'SIGKILL')
  if (point.action === 'stop') process.kill(process.pid, 'SIGSTOP')
  if (point.code !== undefined) throw new MillraceError(`failpoint ${key}`, { code: point.code })
  if (point.action === 'error') throw new Error(`failpoint ${key}`)
}
