import { randomInt } from 'node:crypto'
import type { Kill } from './kills.ts'
import { JobProcess, type JobEvent } from './job-process.ts'
import { QuickstartError } from './quickstart-error.ts'
import { readTable } from './read-table.ts'

/** What the display is told. */
export interface RunWatcher {
  /** Rows that a reader of the table sees now, and what the job is doing. */
  progress(state: {
    readonly rows: number
    readonly checkpoint: number
    readonly kills: number
    readonly doing: string
  }): void
  /** One kill, and what the next start made of it. */
  killed(moment: string, after: string): void
}

export interface RunSummary {
  readonly kills: number
  /** The last checkpoint. */
  readonly checkpoint: number
}

/** Runs the job to its end, through one kill after the other. */
export async function runThroughKills(
  place: { readonly pipeline: string; readonly table: string },
  kills: readonly Kill[],
  watcher: RunWatcher,
  signal: AbortSignal,
): Promise<RunSummary> {
  let died: { readonly moment: string; readonly commits: number } | undefined
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

/** Follows one process of the job by the events that it prints. */
class Attempt {
  checkpoint: number
  readonly #table: string
  readonly #watcher: RunWatcher
  readonly #kills: number
  #died: { readonly moment: string; readonly commits: number } | undefined
  readonly #written = new Map<number, number>()
  #rows: number
  #triggered = 0
  #restored = { checkpoint: 0, recommitted: 0 }
  #swept = 0
  #doing = 'starting'

  constructor(
    table: string,
    { kills, checkpoint }: RunSummary,
    watcher: RunWatcher,
    died: { readonly moment: string; readonly commits: number } | undefined,
  ) {
    this.#table = table
    this.#kills = kills
    this.checkpoint = checkpoint
    this.#watcher = watcher
    this.#died = died
    this.#rows = readTable(table).rows
    this.#show()
  }

  see(event: JobEvent): void {
    const { checkpoint = 0 } = event
    switch (event.event) {
      case 'restored':
        this.#restored = { checkpoint, recommitted: event.recommitted ?? 0 }
        this.checkpoint = checkpoint
        this.#rows = readTable(this.#table).rows
        break
      case 'log':
        this.#swept += event.names?.length ?? 0
        break
      case 'started':
        this.#doing = 'running'
        this.#tellRecovery()
        break
      case 'triggered':
        this.#triggered = checkpoint
        break
      case 'published':
        this.#written.set(checkpoint, event.written ?? 0)
        break
      case 'confirmed':
        this.checkpoint = checkpoint
        this.#rows += this.#written.get(checkpoint) ?? 0
    }
    this.#show()
  }

  /** Killed before it had recovered: what became of the last kill is told together with this one. */
  close(): void {
    this.#tellRecovery()
  }

  checkpointOf({ of }: Kill): number {
    return of === 'published' ? ([...this.#written.keys()].at(-1) ?? 0) : this.#triggered
  }

  #tellRecovery(): void {
    const died = this.#died
    if (died === undefined) return
    this.#died = undefined
    this.#watcher.killed(died.moment, this.#recovery(died.commits))
  }

  #recovery(commitsBefore: number): string {
    if (this.#doing === 'starting') return 'started again'
    const { checkpoint, recommitted } = this.#restored
    const committed = readTable(this.#table).commits - commitsBefore
    const parts = [
      ...(this.#swept > 0 ? [`rolled back ${this.#swept} unfinished commit`] : []),
      ...(committed > 0 ? [`committed checkpoint ${checkpoint}`] : []),
      ...(committed === 0 && recommitted > 0 ? ['found it committed'] : []),
      checkpoint > 0 ? `went on from checkpoint ${checkpoint}` : 'began again at the first row',
    ]
    return parts.join(', ')
  }

  #show(): void {
    this.#watcher.progress({ rows: this.#rows, checkpoint: this.checkpoint, kills: this.#kills, doing: this.#doing })
  }
}
