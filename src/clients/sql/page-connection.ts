import type { Clock, LaneContext, Meter } from '../../core/context.ts'
import { MillraceError } from '../../core/errors.ts'
import { failpoint } from '../../core/failpoints.ts'
import { ControlTable } from './control.ts'
import type { PageTarget, SqlDialect } from './dialect.ts'
import type { Page } from './page.ts'
import { pauseBefore } from './pause.ts'
import type { SqlSession } from './session.ts'

export interface PageConnectionOptions {
  readonly dialect: SqlDialect
  readonly control: ControlTable
  /** Number of this connection among all of the sink's writers. */
  readonly slot: number
  readonly clock: Clock
  readonly meter: Meter
  /** Pages that may wait. */
  readonly waiting: number
}

/** A page with everything that its transaction needs. */
export interface PageOfTarget {
  readonly page: Page
  readonly target: PageTarget
  readonly epoch: number
}

/** Pages of a connection that wait behind the one that is under way: a slow one must not hold up the others. */
const PAGES_WAITING = 3
/** Bytes of waiting pages of a lane; many connections or large pages wait in shorter queues. */
const WAITING_BYTES = 32 * 1024 * 1024

/** Attempts at one page before the checkpoint is thrown away: about ten seconds. */
const ATTEMPTS = 8

/** Writes pages in their order over one connection, each in a transaction that a newer instance makes impossible. */
export class PageConnection {
  readonly #options: PageConnectionOptions
  #session: SqlSession | undefined
  #registeredFor = 0
  #last: Promise<unknown> = Promise.resolve()
  #waiting = 0
  readonly #waiters: (() => void)[] = []
  #isAborted = false

  constructor(options: PageConnectionOptions) {
    this.#options = options
  }

  /** No page is under way here. */
  get isIdle(): boolean {
    return this.#waiting === 0
  }

  /** Resolves when there is room for another page. */
  async room(): Promise<void> {
    while (this.#waiting > this.#options.waiting) await new Promise<void>((resolve) => this.#waiters.push(resolve))
  }

  /** Resolves when the server has committed the page. */
  write(work: PageOfTarget): Promise<void> {
    this.#waiting++
    const mine = this.#last
      .catch(() => undefined)
      .then(() => this.#write(work))
      .finally(() => {
        this.#waiting--
        for (const wake of this.#waiters.splice(0)) wake()
      })
    this.#last = mine
    // Who waits hears of it by `mine`.
    mine.catch(() => undefined)
    return mine
  }

  /** Gives up what is under way, as far as the server has not committed it. */
  async abort(): Promise<void> {
    this.#isAborted = true
    this.#session?.destroy()
    this.#session = undefined
    await this.#last.catch(() => undefined)
    this.#isAborted = false
    this.#registeredFor = 0
  }

  async close(): Promise<void> {
    await this.#last.catch(() => undefined)
    await this.#session?.close()
    this.#session = undefined
  }

  /** Any error: roll back and run the whole transaction again, never a single statement. */
  async #write(work: PageOfTarget): Promise<void> {
    const { clock, meter } = this.#options
    for (let attempt = 1; ; attempt++) {
      this.#refuseIfAborted()
      const started = performance.now()
      try {
        await this.#transaction(work)
        meter.observe('load_seconds', (performance.now() - started) / 1000)
        meter.count('loads', 1, { result: 'ok' })
        return
      } catch (thrown) {
        // Rolls back also where the answer of COMMIT was lost: then the page is written a second time, which changes nothing.
        this.#session?.destroy()
        this.#session = undefined
        meter.count('loads', 1, { result: 'error' })
        this.#refuseIfAborted()
        if (!(thrown instanceof MillraceError) || thrown.retry !== 'retry') throw thrown
        if (attempt === ATTEMPTS) throw givenUp(thrown)
      }
      await clock.sleep(pauseBefore(attempt))
    }
  }

  async #transaction({ page, target, epoch }: PageOfTarget): Promise<void> {
    const { dialect, control, slot } = this.#options
    const session = await this.#open(epoch)
    failpoint('sink.flush', 'before')
    await dialect.writePage(session, target, page, control.fence(slot, epoch))
    failpoint('sink.flush', 'after')
  }

  async #open(epoch: number): Promise<SqlSession> {
    const { dialect, control, slot } = this.#options
    if (this.#session?.isUsable !== true) {
      this.#session = await dialect.open()
      this.#registeredFor = 0
    }
    if (this.#registeredFor !== epoch) {
      await control.register(this.#session, slot, epoch)
      this.#registeredFor = epoch
    }
    return this.#session
  }

  #refuseIfAborted(): void {
    if (this.#isAborted) throw new MillraceError('the write was rolled back', { code: 'INTERRUPTED', retry: 'restart' })
  }
}

/** The connections of a lane's writer, each with a slot of the control table. */
export function openPageConnections(
  { connections, pageBytes }: { readonly connections: number; readonly pageBytes: number },
  dialect: SqlDialect,
  context: LaneContext,
): PageConnection[] {
  const { clock, meter, lane, job, id } = context
  const control = new ControlTable(dialect, job, id)
  const waiting = Math.max(1, Math.min(PAGES_WAITING, Math.floor(WAITING_BYTES / (connections * pageBytes))))
  return Array.from(
    { length: connections },
    (_, at) => new PageConnection({ dialect, control, slot: lane * 64 + at, clock, meter, waiting }),
  )
}

function givenUp(last: MillraceError): MillraceError {
  return new MillraceError(`${last.message} (${ATTEMPTS} attempts)`, {
    code: last.code,
    retry: 'restart',
    detail: last.detail,
    cause: last,
  })
}
