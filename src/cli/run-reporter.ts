import type { Logger } from '../core/context.ts'
import type { Plan } from '../plan/plan.ts'
import type { JobEvent, JobObserver } from '../runtime/observer.ts'
import type { FromLane } from '../runtime/messages.ts'
import type { Output } from './output.ts'
import { RunProgress } from './run-progress.ts'

/** How a run shows itself: a live line on a terminal, one JSON line per event otherwise. */
export interface Reporter {
  readonly logger: Logger
  readonly observe: JobObserver
  close(): void
}

export async function openReporter(plan: Plan, output: Output): Promise<Reporter> {
  const progress = new RunProgress(plan)
  return output.isTerminal ? terminalReporter(progress, output) : lineReporter(progress, output)
}

const REFRESH_MS = 200

function terminalReporter(progress: RunProgress, output: Output): Reporter {
  const draw = (): void => output.print(`\r\u001b[2K${progress.line()}`)
  const say = (text: string): void => {
    output.print(`\r\u001b[2K${text}\n`)
    draw()
  }
  const timer = setInterval(draw, REFRESH_MS)
  const at = (): Logger['warn'] => (message) => say(message)
  return {
    logger: { debug: () => undefined, info: at(), warn: at(), error: at() },
    observe: (event) => {
      progress.see(event)
      if (event.kind === 'rewinding') say(`going back to the last checkpoint: ${event.error.message}`)
      if (event.kind === 'lane' && event.message.kind === 'log' && event.message.level !== 'debug')
        say(event.message.message)
    },
    close: () => {
      clearInterval(timer)
      output.print(`\r\u001b[2K${progress.summary()}\n`)
    },
  }
}

function lineReporter(progress: RunProgress, output: Output): Reporter {
  const line = (event: string, detail: object): void => output.json({ at: new Date().toISOString(), event, ...detail })
  const logAt =
    (level: string): Logger['info'] =>
    (message, detail) =>
      line('log', { level, message, ...detail })
  let lastProgress = 0
  return {
    logger: { debug: () => undefined, info: logAt('info'), warn: logAt('warn'), error: logAt('error') },
    observe: (event) => {
      progress.see(event)
      if (event.kind === 'lane') {
        const detail = laneDetail(event.message)
        if (detail !== undefined) line('log', detail)
        return
      }
      line(event.kind, detailOf(event))
      const now = Date.now()
      if (now - lastProgress > 1000) {
        lastProgress = now
        line('progress', progress.numbers())
      }
    },
    close: () => line('progress', progress.numbers()),
  }
}

function laneDetail(message: FromLane): object | undefined {
  if (message.kind !== 'log' || message.level === 'debug') return undefined
  return { level: message.level, message: message.message, ...message.detail }
}

function detailOf(event: Exclude<JobEvent, { kind: 'lane' }>): object {
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
    case 'lag':
      return { records: event.records }
    case 'ended':
      return { as: event.as }
    case 'halted':
      return { code: event.error.code, message: event.error.message, detail: event.error.detail }
  }
}
