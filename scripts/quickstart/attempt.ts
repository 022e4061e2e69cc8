import type { JobEvent } from './job-process.ts'
import type { Kill } from './kills.ts'
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

/** How the process before ended. */
export interface Death {
  /** When it was killed, in words. */
  readonly moment: string
  /** Completed commits of the table at that time. */
  readonly commits: number
}

/** Follows one process of the job by the events that it prints. */
export class Attempt {
  checkpoint: number
  readonly #table: string
  readonly #watcher: RunWatcher
  readonly #kills: number
  #died: Death | undefined
  readonly #written = new Map<number, number>()
  #rows: number
  #triggered = 0
  #restored = { checkpoint: 0, recommitted: 0, committed: 0 }
  #swept = 0
  #doing = 'starting'

  constructor(table: string, { kills, checkpoint }: RunSummary, watcher: RunWatcher, died: Death | undefined) {
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
        this.#seeRestored(checkpoint, event.recommitted ?? 0)
        break
      case 'log':
        this.#swept += event.names?.length ?? 0
        break
      case 'started':
        this.#doing = 'running'
        break
      case 'triggered':
        this.#triggered = checkpoint
        break
      case 'published':
        this.#written.set(checkpoint, event.written ?? 0)
        break
      case 'confirmed':
        // What earlier runs left behind is rolled back before anything is committed: there is no more to wait for.
        this.#tellRecovery()
        this.checkpoint = checkpoint
        this.#rows += this.#written.get(checkpoint) ?? 0
    }
    if (this.#swept > 0 && this.#doing === 'running') this.#tellRecovery()
    this.#show()
  }

  /** The process is gone: tells of the kill before it, if it died too early to show what it made of that. */
  close(): void {
    this.#tellRecovery()
  }

  checkpointOf({ of }: Kill): number {
    return of === 'published' ? ([...this.#written.keys()].at(-1) ?? 0) : this.#triggered
  }

  #seeRestored(checkpoint: number, recommitted: number): void {
    const { rows, commits } = readTable(this.#table)
    this.#restored = { checkpoint, recommitted, committed: commits - (this.#died?.commits ?? commits) }
    this.checkpoint = checkpoint
    this.#rows = rows
  }

  #tellRecovery(): void {
    const died = this.#died
    if (died === undefined) return
    this.#died = undefined
    this.#watcher.killed(died.moment, this.#recovery())
  }

  #recovery(): string {
    if (this.#doing === 'starting') return 'started again'
    const { checkpoint, recommitted, committed } = this.#restored
    const known = committed > 0 ? `committed checkpoint ${checkpoint}` : `found checkpoint ${checkpoint} committed`
    const parts = [
      ...(this.#swept > 0 ? [`rolled back ${this.#swept} unfinished commit${this.#swept === 1 ? '' : 's'}`] : []),
      ...(recommitted > 0 ? [known] : []),
      checkpoint === 0
        ? 'began again at the first row'
        : `went on from ${recommitted > 0 ? 'there' : `checkpoint ${checkpoint}`}`,
    ]
    return parts.join(', ')
  }

  #show(): void {
    this.#watcher.progress({ rows: this.#rows, checkpoint: this.checkpoint, kills: this.#kills, doing: this.#doing })
  }
}
