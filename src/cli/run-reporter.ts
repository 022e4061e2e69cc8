import type { Logger } from '../core/context.ts'
import type { Plan } from '../plan/plan.ts'
import { errorToData, MillraceError } from '../core/errors.ts'
import type { FromLane, LogLevel } from '../runtime/messages.ts'
import type { JobEvent, JobObserver } from '../runtime/observer.ts'
import type { Output } from './output.ts'
import type { RunProgress, RunStatus } from './run-progress.ts'
import { screenLines, summaryLine } from './run-screen.ts'
import { paint, singleLine } from './terminal.ts'

/** How a run shows itself: a live screen on a terminal, one JSON line per event otherwise. */
export interface Reporter {
  readonly logger: Logger
  readonly observe: JobObserver
  close(): void
}

/** From the most to the least talkative. */
const LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error']

export interface ReporterOptions {
  readonly plan: Plan
  readonly progress: RunProgress
  readonly output: Output
  /** Log lines below it are left out; `debug` also shows what lanes answer and what caused an error. */
  readonly level: LogLevel
}

export function openReporter(options: ReporterOptions): Reporter {
  return options.output.isTerminal ? terminalReporter(options) : lineReporter(options)
}

/** The option `--log-level`, or the environment's MILLRACE_LOG_LEVEL. */
export function parseLevel(text: string): LogLevel {
  const level = LEVELS.find((one) => one === text)
  if (level !== undefined) return level
  throw new MillraceError(`the log level ${JSON.stringify(text)} is none of ${LEVELS.join(', ')}`, { code: 'CONFIG' })
}

const isShown = (level: LogLevel, least: LogLevel): boolean => LEVELS.indexOf(level) >= LEVELS.indexOf(least)

const REFRESH_MS = 200

function terminalReporter({ plan, progress, output, level: least }: ReporterOptions): Reporter {
  const draw = (): void => output.live(screenLines(progress.status(), plan))
  const sayAt = (level: LogLevel) => (text: string) => {
    const line = singleLine(text)
    const isLoud = level === 'warn' || level === 'error'
    if (isShown(level, least)) output.print(`${isLoud ? paint('yellow', line) : line}\n`)
  }
  const timer = setInterval(draw, REFRESH_MS)
  return {
    logger: { debug: sayAt('debug'), info: sayAt('info'), warn: sayAt('warn'), error: sayAt('error') },
    observe: (event) => {
      if (event.kind === 'lane' && event.message.kind === 'log') sayAt(event.message.level)(event.message.message)
    },
    close: () => {
      clearInterval(timer)
      output.live([])
      output.print(summaryLine(progress.status()))
    },
  }
}

/** One line before there is a run that could be reported. */
export function sayBefore(output: Output, message: string): void {
  if (output.isTerminal) output.print(`${singleLine(message)}\n`)
  else output.json({ at: new Date().toISOString(), event: 'log', level: 'info', message })
}

/** A heartbeat for those who follow the log. */
const PROGRESS_MS = 5000

function lineReporter({ progress, output, level: least }: ReporterOptions): Reporter {
  const line = (event: string, detail: object): void => output.json({ at: new Date().toISOString(), event, ...detail })
  const logAt =
    (level: LogLevel): Logger['info'] =>
    (message, detail) => {
      if (isShown(level, least)) line('log', { level, message, ...detail })
    }
  const isDebug = isShown('debug', least)
  const timer = setInterval(() => line('progress', numbers(progress.status())), PROGRESS_MS)
  return {
    logger: { debug: logAt('debug'), info: logAt('info'), warn: logAt('warn'), error: logAt('error') },
    observe: (event) => {
      if (event.kind === 'lane') {
        const { lane, message } = event
        if (message.kind === 'log') logAt(message.level)(message.message, message.detail)
        else if (isDebug && TOLD.has(message.kind)) line('lane', { lane, says: message.kind, ...answerOf(message) })
      } else if (event.kind !== 'lag') {
        line(event.kind, { ...detailOf(event), ...(isDebug && 'error' in event ? causesOf(event.error) : {}) })
      }
    },
    close: () => {
      clearInterval(timer)
      line('progress', numbers(progress.status()))
    },
  }
}

function numbers({ rows, bytes, rowsPerSecond, written, confirmed, lag, rssBytes }: RunStatus): object {
  return { rows, bytes, rowsPerSecond, written, checkpoint: confirmed?.checkpoint ?? 0, lag, rssBytes }
}

/** What a lane says about checkpoints; the rest comes many times a second. */
const TOLD: ReadonlySet<FromLane['kind']> = new Set(['acked', 'drained', 'failed'])

function answerOf(message: FromLane): object {
  if (message.kind === 'acked') return { checkpoint: message.ack.checkpoint, ...message.ack.accounting }
  return message.kind === 'failed' ? { code: message.error.code, causes: message.error.causes } : {}
}

function causesOf(error: MillraceError): object {
  return { causes: errorToData(error).causes }
}

function detailOf(event: Exclude<JobEvent, { kind: 'lane' | 'lag' }>): object {
  switch (event.kind) {
    case 'claimed':
    case 'started':
      return { epoch: event.epoch }
    case 'headroom':
      return { seconds: event.seconds }
    case 'restored':
      return { checkpoint: event.from, recommitted: event.recommitted }
    case 'triggered':
      return { checkpoint: event.checkpoint }
    case 'published':
      return {
        checkpoint: event.checkpoint,
        ...event.accounting,
        tookMs: event.tookMs,
        transactions: event.committables.length,
      }
    case 'confirmed':
      return { checkpoint: event.checkpoint, tookMs: event.tookMs }
    case 'rewinding':
      return { code: event.error.code, message: event.error.message, pauseMs: event.pauseMs }
    case 'safe-downtime':
      return { parts: event.parts }
    case 'expiring':
      return { what: event.what ?? null }
    case 'stall':
      return { what: event.what ?? null }
    case 'ended':
      return { as: event.as }
    case 'halted':
      return { code: event.error.code, message: event.error.message, detail: event.error.detail }
  }
}
