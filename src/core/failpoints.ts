import { appendFileSync } from 'node:fs'

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
}

const armed: ArmedFailpoint[] = parseFailpoints(process.env['MILLRACE_FAILPOINTS'] ?? '')
const hits = new Map<string, number>()

/** Parses `name:position[@nth]=action[,…]`, for example `store.manifest.publish:after@2=kill`. */
export function parseFailpoints(text: string): ArmedFailpoint[] {
  return text
    .split(',')
    .filter((part) => part.trim() !== '')
    .map((part) => {
      const match = /^\s*([a-z.]+):(before|after|sent)(?:@(\d+))?=(kill|stop|error|mark)\s*$/.exec(part)
      if (match === null) throw new Error(`MILLRACE_FAILPOINTS: cannot read "${part}"`)
      const [, name = '', position = '', nth = '1', action = 'kill'] = match
      if (!(FAILPOINTS as readonly string[]).includes(name)) {
        throw new Error(`MILLRACE_FAILPOINTS: there is no failpoint "${name}"`)
      }
      return { name, position, nth: Number(nth), action: action as FailpointAction }
    })
}

/** Marks a protocol step. Does nothing unless a test armed this failpoint. */
export function failpoint(name: Failpoint, position: FailpointPosition): void {
  if (armed.length === 0) return
  const key = `${name}:${position}`
  const count = (hits.get(key) ?? 0) + 1
  hits.set(key, count)
  for (const point of armed) {
    if (point.name === name && point.position === position && point.nth === count) act(point, key)
  }
}

function act(point: ArmedFailpoint, key: string): void {
  const trace = process.env['MILLRACE_FAILPOINT_TRACE']
  if (trace !== undefined) appendFileSync(trace, `${process.pid} ${key}@${point.nth} ${point.action}\n`)
  if (point.action === 'kill') process.kill(process.pid, 'SIGKILL')
  if (point.action === 'stop') process.kill(process.pid, 'SIGSTOP')
  if (point.action === 'error') throw new Error(`failpoint ${key}`)
}
