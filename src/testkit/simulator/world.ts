import { MillraceError } from '../../core/errors.ts'
import type { FailpointPosition } from '../../core/failpoints.ts'
import type { Plan } from '../../plan/plan.ts'
import type { CheckpointLog } from '../../storage/checkpoint-log.ts'
import type { ConnectorModules } from '../../runtime/connectors.ts'
import { Job } from '../../runtime/job.ts'
import { CrashFs } from '../crash-fs.ts'
import { silentLog } from '../lane-context.ts'
import { describeFault, isOfStart, type Fault, type StoreKind } from './faults.ts'
import { openLaneIn } from './lane-in-process.ts'
import { LogWatch } from './log-watch.ts'
import type { ModelServer, ServerOfFamily } from './model-server.ts'
import { Network } from './network.ts'
import { isLogKey, ObjectStore } from './object-store.ts'
import { decideByLooking, goBack, goBackToSavepoint, keepSavepoint } from './operator.ts'
import { leaveProcess, SimulatedProcess } from './process.ts'
import { SinkServers } from './sink-servers.ts'
import { Random } from './random.ts'
import { NumberedLog } from './source.ts'
import { StateStores } from './state-stores.ts'
import { Story } from './story.ts'
import { VirtualTime } from './virtual-time.ts'

export interface WorldOptions {
  readonly seed: number
  readonly plan: Plan
  readonly connectors: ConnectorModules
  /** By the sink's id. */
  readonly servers: Readonly<Record<string, ServerOfFamily>>
  readonly splits: number
  readonly isBusy: boolean
  /** Where the checkpoint log is. */
  readonly store: StoreKind
  readonly faults: readonly Fault[]
  readonly keepStory: boolean
}

/** What a job needs besides its clock and its ways out. */
export interface JobParts {
  readonly plan: Plan
  readonly connectors: ConnectorModules
  readonly log: CheckpointLog
}

/** A fault that finds no moment is let go after this long; for one that waits for a start there is one before. */
const PATIENCE_MS = 1200
const START_MS = 150
/** Past the last fault everything has to be well again within this time: rewinds may be a minute apart by then. */
const RECOVERY_MS = 180_000
const STOP_EVERY_MS = 500
const SPLITS_MAX = 6
const POSITION_TEXT = { before: ':before', after: ':after', sent: ':sent' }
const UUID = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g
/** Halts that ask an operator. */
const ASKS_OPERATOR: ReadonlySet<number> = new Set([67, 68])

/** One pipeline, its servers and everything that happens to them. */
export class World {
  readonly time: VirtualTime = new VirtualTime(leaveProcess)
  readonly random: Random
  readonly story: Story
  readonly network: Network
  readonly watch: LogWatch
  readonly servers: SinkServers
  readonly log: NumberedLog
  disk: CrashFs = new CrashFs()
  readonly objects: ObjectStore = new ObjectStore((key, body) => {
    if (isLogKey(key)) this.watch.stands(body, () => true)
  })
  /** The disk takes nothing; object storage refuses most requests. */
  isDiskFull = false
  struck = 0
  readonly #options: WorldOptions
  readonly #stores: StateStores
  readonly #processes: SimulatedProcess[] = []
  readonly #jobs = new Map<SimulatedProcess, Job>()
  /** How the last lane of a process dies. */
  readonly #lanes = new Map<SimulatedProcess, () => void>()
  #faults: Fault[]
  #armed: Fault | undefined
  #disarm: () => void = () => undefined
  #names = 0
  #end: 'finished' | 'stopped' | undefined
  #isOver = false

  constructor(options: WorldOptions) {
    this.#options = options
    this.#stores = new StateStores(this, options.store)
    this.random = new Random(options.seed)
    this.story = new Story(this.time, options.keepStory)
    this.network = new Network(this.time, this.random)
    this.watch = new LogWatch()
    this.servers = new SinkServers(options.servers, () => this.watch.newAudit())
    this.watch.visible = (split) => this.servers.furthest(split)
    this.watch.whenWentBack = (to) => this.servers.wentBack(to)
    this.log = new NumberedLog(this.time, options.splits, options.isBusy, !this.#isFollowing)
    this.#faults = [...options.faults]
  }

  /** A source with an end finds its splits at starts only. */
  get #isFollowing(): boolean {
    return this.#options.plan.steps.some((step) => step.kind === 'source' && !step.bounded)
  }

  /** Lets the pipeline live through all faults, and looks whether it got everything across. */
  async live(): Promise<void> {
    this.#start()
    this.#arm()
    await this.time.run(() => this.#armed === undefined, 10_000_000)
    this.story.tell('world', 'the last fault has struck')
    this.log.close()
    this.isDiskFull = false
    this.network.recover()
    for (const process of this.#processes) process.wake()
    this.#askToStop()
    const until = this.time.now + RECOVERY_MS
    const outcome = await this.time.run(() => this.#isOver && !this.#isAnyoneAlive(), until)
    if (outcome !== 'over' && this.#end === undefined) {
      this.watch.violation(`the job did not end within ${RECOVERY_MS / 1000} s after the last fault (${outcome})`)
    }
    const rowsOf = new Map(this.log.splits.map((split) => [split, this.log.rows(split)]))
    for (const wrong of this.servers.complete(rowsOf)) this.watch.violation(wrong)
    const left = this.servers.unfinished()
    // What a process that was fenced while a server was away began last, in each lane, and a little more.
    if (left.length > (2 * this.#options.plan.parallelism + 2) * this.servers.count)
      this.watch.violation(`${left.length} transactions are left over: ${left.join(', ')}`)
  }

  get violations(): readonly string[] {
    return [...this.watch.violations, ...this.servers.violations]
  }

  /** A job that follows its source ends by a stop, after everything is visible. */
  #askToStop(): void {
    if (this.#isOver) return
    if (this.#isAllThere()) for (const process of this.#jobs.keys()) this.#signalStop(process)
    this.time.after(STOP_EVERY_MS, () => this.#askToStop())
  }

  /** Every row has been seen, and a table of upserts that shows rows again while they are replayed has caught up. */
  #isAllThere(): boolean {
    const rowsOf = new Map(this.log.splits.map((split) => [split, this.log.rows(split)]))
    const isSeen = this.log.splits.every((split) => this.servers.visible(split) >= this.log.rows(split))
    return isSeen && this.servers.wrongAtTheEnd(rowsOf).length === 0
  }

  #isAnyoneAlive(): boolean {
    return this.#processes.some((process) => !process.isDead)
  }

  #start(): void {
    const process = new SimulatedProcess(this, `p${++this.#names}`)
    this.#processes.push(process)
    this.story.tell(process.name, 'starts')
    process.after(0, () => void this.#run(process))
  }

  async #run(process: SimulatedProcess): Promise<void> {
    const { plan, connectors } = this.#options
    try {
      const log = this.#stores.log(process)
      const parts = { plan, connectors, log }
      const job = new Job({
        ...parts,
        logger: silentLog,
        clock: process.clock,
        random: () => this.random.next(),
        observe: (event) => {
          if (event.kind !== 'lane' && event.kind !== 'lag') this.story.tell(process.name, event.kind)
        },
        openLane: openLaneIn(process, (die) => this.#lanes.set(process, die)),
      })
      this.#jobs.set(process, job)
      this.#ended(process, await job.run())
    } catch (error) {
      await this.#failed(process, error)
    }
  }

  #ended(process: SimulatedProcess, as: 'finished' | 'stopped'): void {
    if (process.isDead) return
    this.story.tell(process.name, `ends: ${as}`)
    this.#gone(process)
    // A twin that is fenced by now may have old rows on their way to a table of upserts: the next start writes over them.
    const isLast = this.log.isClosed && !this.#isAnyoneAlive() && this.#isAllThere()
    if (as === 'finished' || isLast) this.#finish(as)
    else this.#startSoon()
  }

  #finish(as: 'finished' | 'stopped'): void {
    this.#end ??= as
    this.#isOver = true
    // An operator who comes late finds nobody who would read anything again.
    this.watch.whenWentBack = () => () => undefined
    this.#disarm()
    this.#armed = undefined
    this.#faults = []
    for (const process of this.#processes) process.wake()
  }

  async #failed(process: SimulatedProcess, thrown: unknown): Promise<void> {
    if (process.isDead) return
    const error = thrown instanceof MillraceError ? thrown : undefined
    this.story.tell(process.name, `ends: ${error?.code ?? 'CRASH'} ${(thrown as Error).message.replaceAll(UUID, '…')}`)
    if (error === undefined) this.watch.violation(`a process crashed: ${(thrown as Error).stack ?? ''}`)
    if (error?.code === 'ACCOUNTING' || error?.code === 'STORE_CORRUPT' || error?.code === 'SINK_WENT_BACK') {
      this.watch.violation(`a process halted with ${error.code}: ${error.message}`)
    }
    if (error !== undefined && ASKS_OPERATOR.has(error.exitCode)) {
      const { plan, connectors } = this.#options
      await decideByLooking(process, { plan, connectors, log: this.#stores.log(process) }).catch((failed: unknown) => {
        // He tries again when the next start halts.
        this.story.tell(process.name, `the operator could not decide: ${(failed as Error).message}`)
      })
    }
    if (process.isDead) return
    this.#gone(process)
    if (!this.#isOver) this.#startSoon()
  }

  #gone(process: SimulatedProcess): void {
    process.die()
    this.#jobs.delete(process)
    this.#lanes.delete(process)
  }

  /** A supervisor sees that one instance runs. */
  #startSoon(): void {
    this.time.after(this.random.between(20, 400), () => {
      const isNeeded = !this.#isOver && !this.#processes.some((one) => !one.isDead && !one.isStopped)
      if (isNeeded) this.#start()
    })
  }

  // What the schedule does.

  #arm(): void {
    this.#disarm()
    const fault = this.#faults.shift()
    this.#armed = fault
    if (fault === undefined) return
    const { when } = fault
    if (!('at' in when)) {
      this.#disarm = this.time.after(when.afterMs, () => this.#hit(fault, undefined))
      return
    }
    const letGo = this.time.after(PATIENCE_MS, () => this.#arm())
    const restart = isOfStart(when.at) ? this.time.after(START_MS, () => this.#kill(this.#newest())) : () => undefined
    this.#disarm = () => {
      letGo()
      restart()
    }
  }

  #newest(): SimulatedProcess | undefined {
    return this.#processes.findLast((one) => !one.isDead)
  }

  /** A process passes a protocol step. */
  reached(process: SimulatedProcess, name: string, position: FailpointPosition): void {
    this.story.tell(process.name, name, POSITION_TEXT[position])
    const fault = this.#armed
    if (fault === undefined || !('at' in fault.when)) return
    if (fault.when.at === name && fault.when.position === position) this.#hit(fault, process)
  }

  #hit(fault: Fault, at: SimulatedProcess | undefined): void {
    this.struck += 1
    const process = at ?? this.#newest()
    this.story.tell(process?.name ?? 'nobody', `FAULT ${describeFault(fault)}`)
    this.#arm()
    this.#strike(fault, process, at !== undefined)
  }

  #strike({ strike, when }: Fault, process: SimulatedProcess | undefined, isInCode: boolean): void {
    switch (strike.kind) {
      case 'kill':
        return this.#kill(process)
      case 'stop':
        process?.stop()
        this.time.after(strike.ms, () => process?.wake())
        if (strike.twin) this.time.after(this.random.between(1, 60), () => this.#start())
        return
      case 'error':
        if (isInCode && 'at' in when) throw failureOf(when.at)
        return
      case 'start twin':
        return this.#start()
      case 'lane dies':
        process?.after(0, () => this.#lanes.get(process)?.())
        return
      case 'lose requests':
        return this.network.loseRequests(strike.calls)
      case 'lose replies':
        return this.network.loseReplies(strike.calls)
      case 'black hole':
        return this.network.swallow(strike.ms)
      case 'slow network':
        return this.network.slowDown(strike.ms)
      case 'server restarts':
        return this.servers.any(this.random).restart()
      case 'prepared expires':
        return this.#expire(this.servers.any(this.random))
      case 'labels evicted':
        if (this.servers.any(this.random).evict()) this.#serverForgets(true)
        return
      case 'clock jumps':
        if (process !== undefined) process.skewMs += strike.ms
        return
      case 'split appears':
        if (this.#isFollowing && this.log.splits.length < SPLITS_MAX) this.log.grow()
        return
      case 'input ends':
        return this.log.close()
      case 'power cut':
        return this.#cutPower()
      case 'disk full':
        this.isDiskFull = true
        this.time.after(strike.ms, () => (this.isDiskFull = false))
        return
      case 'roll back':
        return this.#operate((operator, parts) => goBack(operator, parts, strike.by))
      case 'savepoint':
        return this.#operate((operator, parts) =>
          keepSavepoint(operator, { ...parts, kept: this.#stores.savepoints(operator) }),
        )
      case 'back to savepoint':
        return this.#operate((operator, parts) =>
          goBackToSavepoint(operator, { ...parts, kept: this.#stores.savepoints(operator) }),
        )
      case 'stop signal':
        if (process !== undefined) this.#signalStop(process)
    }
  }

  /** Somebody works on the pipeline in a process of his own. */
  #operate(act: (process: SimulatedProcess, parts: JobParts) => Promise<void>): void {
    const { plan, connectors } = this.#options
    const process = new SimulatedProcess(this, `op${++this.#names}`)
    this.#processes.push(process)
    const work = async (): Promise<void> => {
      try {
        await act(process, { plan, connectors, log: this.#stores.log(process) })
      } catch (error) {
        await this.#failed(process, error)
      }
      if (!process.isDead) this.#kill(process)
    }
    process.after(0, () => void work())
  }

  /** SIGTERM. */
  #signalStop(process: SimulatedProcess): void {
    process.after(0, () => this.handles(process, () => this.#jobs.get(process)?.stop()))
  }

  /** A handler of an event or a signal: what it throws ends the process. */
  handles(process: SimulatedProcess, act: () => void): void {
    try {
      act()
    } catch (error) {
      if (!(error instanceof MillraceError)) throw error
      this.#kill(process)
    }
  }

  #expire(server: ModelServer): void {
    if (server.expire(this.random)) this.#serverForgets(server.keepsRows !== true)
  }

  #serverForgets(isForGood: boolean): void {
    this.watch.hasServerForgotten = true
    if (isForGood) this.watch.mayRewind = true
  }

  #kill(process: SimulatedProcess | undefined): void {
    if (process === undefined) return
    this.#gone(process)
    this.#startSoon()
  }

  #cutPower(): void {
    for (const process of this.#processes) this.#gone(process)
    this.disk = this.random.pick(this.disk.waysToCrash(this.disk.changes.length, 3))()
    this.watch.powerWasCut()
    this.#startSoon()
  }
}

/** A disk that fails says so for good; what fails elsewhere is worth another try. */
function failureOf(step: string): MillraceError {
  return step.startsWith('store.')
    ? new MillraceError(`${step}: the disk failed`, { code: 'STORE_IO' })
    : new MillraceError(`${step}: the step failed`, { code: 'UNAVAILABLE', retry: 'restart' })
}
