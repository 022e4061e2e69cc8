/** What a checkpoint holds of a step that keeps state. */
export interface StepState {
  /** Names the meaning of the rows: what another definition saved cannot be gone on with. */
  readonly definition: string
  /** Event time of the step in microseconds, as text: windows are closed up to here, and older rows are late. */
  readonly eventTime?: string
  /** One part for each lane that wrote; their key groups do not overlap. */
  readonly parts: readonly StatePart[]
}

/** The state of some key groups: files in the order in which they were written, each over those before it. */
export interface StatePart {
  /** From the first group up to the second, which is not part of it. */
  readonly groups: readonly [from: number, to: number]
  readonly files: readonly StateFile[]
}

export interface StateFile {
  /** Below the folder `state` of the pipeline. Begins with the epoch that wrote it: see `epochOfFile`. */
  readonly path: string
  readonly bytes: number
  readonly rows: number
  readonly sha256: string
}

/** The state of all steps, by id. */
export type StateByStep = Readonly<Record<string, StepState>>

/** A name that nobody else writes: an epoch belongs to one process, and a lane cuts a checkpoint once in an epoch. */
export function stateFilePath(epoch: number, checkpoint: number, step: string, lane: number): string {
  return `e${epoch}/c${checkpoint}-${step}-l${lane}.parquet`
}

/** The epoch that wrote a file, `undefined` for what is none of ours. */
export function epochOfFile(path: string): number | undefined {
  const [, epoch] = /^e(\d+)\//.exec(path) ?? []
  return epoch === undefined ? undefined : Number(epoch)
}

export function filesOf(state: StateByStep | undefined): string[] {
  return Object.values(state ?? {}).flatMap(({ parts }) => parts.flatMap(({ files }) => files.map(({ path }) => path)))
}
