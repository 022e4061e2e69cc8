import type { Logger } from '../core/context.ts'
import type { Plan } from '../plan/plan.ts'
import type { FromLane } from '../runtime/messages.ts'
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

export function openReporter(plan: Plan, progress: RunProgress, output: Output): Reporter {
  return output.isTerminal ? terminalReporter(plan, progress, output) : lineReporter(progress, output)
}

const REFRESH_MS = 200

function terminalReporter(plan: Plan, progress: RunProgress, output: Output): Reporter {
  const draw = (): void => output.live(screenLines(progress.status(), plan))
  const say = (text: string): void => output.print(`${singleLine(text)}\n`)
  const warn = (text: string): void => output.print(`${paint('yellow', singleLine(text))}\n`)
  const timer = setInterval(draw, REFRESH_MS)
  return {
    logger: { debug: () => undefined, info: say, warn, error: warn },
    observe: ({ kind, ...event }) => {
      if (kind !== 'lane' || !('message' in event) || event.message.kind !== 'log') return
      const { level, message } = event.message
      if (level !== 'debug') (level === 'info' ? say : warn)(message)
    },
    close: () => {
      clearInterval(timer)
      output.live([])
      output.print(summaryLine(progress.status()))
    },
  }
}

/** A heartbeat for those who follow the log. */
const PROGRESS_MS = 5000

function lineReporter(progress: RunProgress, output: Output): Reporter {
  const line = (event: string, detail: object): void => output.json({ at: new Date().toISOString(), event, ...detail })
  const logAt =
    (level: string): Logger['info'] =>
    (message, detail) =>
      line('log', { level, message, ...detail })
  const timer = setInterval(() => line('progress', numbers(progress.status())), PROGRESS_MS)
  return {
    logger: { debug: () => undefined, info: logAt('info'), warn: logAt('warn'), error: logAt('error') },
    observe: (event) => {
      if (event.kind === 'lane') {
        const detail = laneDetail(event.message)
        if (detail !== undefined) line('log', detail)
      } else if (event.kind !== 'lag') {
        line(event.kind, detailOf(event))
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

function laneDetail(message: FromLane): object | undefined {
  if (message.kind !== 'log' || message.level === 'debug') return undefined
  return { level: message.level, message: message.message, ...message.detail }
}

function detailOf(event: Exclude<JobEvent, { kind: 'lane' | 'lag' }>): object {
  switch (event.kind) {
    case 'claimed':
    case 'started':
      return { epoch: event.epoch }
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
    case 'stall':
      return { what: event.what ?? null }
    case 'ended':
      return { as: event.as }
    case 'halted':
      return { code: event.error.code, message: event.error.message, detail: event.error.detail }
  }
}
