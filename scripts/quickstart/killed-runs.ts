import { randomInt } from 'node:crypto'
import type { Kill } from './kills.ts'
import { Attempt, type Death, type RunSummary, type RunWatcher } from './attempt.ts'
import { JobProcess } from './job-process.ts'
import { QuickstartError } from './quickstart-error.ts'
import { readTable } from './read-table.ts'

/** Runs the job to its end, through one kill after the other. */
export async function runThroughKills(
  place: { readonly pipeline: string; readonly table: string },
  kills: readonly Kill[],
  watcher: RunWatcher,
  signal: AbortSignal,
): Promise<RunSummary> {
  let died: Death | undefined
  let summary: RunSummary = { kills: 0, checkpoint: 0 }
  for (const kill of [...kills, undefined]) {
    const attempt = new Attempt(place.table, summary, watcher, died)
    await using job = new JobProcess(place.pipeline, kill?.failpoint, (event) => {
      attempt.see(event)
      if (event.event === 'started' && kill?.withinMs !== undefined) {
        setTimeout(() => job.kill(), randomInt(kill.withinMs)).unref()
      }
    })
    signal.addEventListener('abort', () => job.kill(), { once: true })
    const { code, said } = await job.ended()
    signal.throwIfAborted()
    attempt.close()
    summary = { kills: summary.kills, checkpoint: attempt.checkpoint }
    if (code === 0) return summary
    if (code !== null) throw failed(code, said)
    if (kill === undefined)
      throw new QuickstartError('somebody else killed the job', 'Is there memory enough? Run `npm start` again.')
    summary = { ...summary, kills: summary.kills + 1 }
    died = { moment: kill.said(attempt.checkpointOf(kill)), commits: readTable(place.table).commits }
  }
  return summary
}

function failed(code: number, said: string): QuickstartError {
  return new QuickstartError(
    `the job ended with exit code ${code}:\n${said.trim()}`,
    'docs/errors.md tells what the code means. If you did not change flights.yaml, this is a bug: please report it.',
  )
}
