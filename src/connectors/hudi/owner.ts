/** Whose instant it is: written into every timeline file of ours, so that nobody has to guess after a crash. */
export interface Owner {
  readonly job: string
  readonly sink: string
  /** The run epoch that wrote the data. */
  readonly epoch: number
  readonly checkpoint: number
}

const KEYS = {
  job: 'millrace.job',
  sink: 'millrace.sink',
  epoch: 'millrace.epoch',
  checkpoint: 'millrace.checkpoint',
} as const

/** As `extraMetadata`, whose values must be text. */
export function ownerToExtra(owner: Owner): Record<string, string> {
  return {
    [KEYS.job]: owner.job,
    [KEYS.sink]: owner.sink,
    [KEYS.epoch]: String(owner.epoch),
    [KEYS.checkpoint]: String(owner.checkpoint),
  }
}

export function ownerFromExtra(extra: Readonly<Record<string, string>>): Owner | undefined {
  const { [KEYS.job]: job, [KEYS.sink]: sink, [KEYS.epoch]: epoch, [KEYS.checkpoint]: checkpoint } = extra
  if (job === undefined || sink === undefined || epoch === undefined || checkpoint === undefined) return undefined
  if (!/^\d+$/.test(epoch) || !/^\d+$/.test(checkpoint)) return undefined
  return { job, sink, epoch: Number(epoch), checkpoint: Number(checkpoint) }
}

/** The same sink of the same pipeline, whichever run. */
export function isSameSink(a: Pick<Owner, 'job' | 'sink'>, b: Pick<Owner, 'job' | 'sink'> | undefined): boolean {
  return b !== undefined && a.job === b.job && a.sink === b.sink
}

export function isSameOwner(a: Owner, b: Owner | undefined): boolean {
  return b !== undefined && isSameSink(a, b) && a.epoch === b.epoch && a.checkpoint === b.checkpoint
}

/** For messages. */
export function ownerText(owner: Owner | undefined): string {
  if (owner === undefined) return 'an unknown writer'
  return `sink ${owner.sink} of ${owner.job} (run ${owner.epoch}, checkpoint ${owner.checkpoint})`
}
