/** A place in the protocol where the job is killed. */
export interface Kill {
  /** For MILLRACE_FAILPOINTS. */
  readonly failpoint?: string
  /** Without a failpoint: killed from outside, at a random time up to this many milliseconds after its start. */
  readonly withinMs?: number
  /** When that is, to be read after "killed". */
  readonly said: (checkpoint: number) => string
  /** The checkpoint that it happens to: the one that is being made, or the one that is being committed. */
  readonly of: 'triggered' | 'published' | 'none'
}

const BIG = 1_000_000

/**
 * The protocol's steps in the order in which a checkpoint takes them. With few rows each run dies at its first
 * checkpoint, or the rows would end before the kills do.
 */
export function planKills(rows: number): readonly Kill[] {
  const nth = (many: number): number => (rows >= BIG ? many : 1)
  return [
    {
      failpoint: `chk.barrier:after@${nth(2)}`,
      of: 'triggered',
      said: (checkpoint) => `at the barrier of checkpoint ${checkpoint}, its files unfinished`,
    },
    {
      failpoint: `sink.prepare:after@${nth(2)}`,
      of: 'triggered',
      said: (checkpoint) => `with the files of checkpoint ${checkpoint} written, not yet in the log`,
    },
    {
      // The first entry of a run is its claim.
      failpoint: 'store.manifest.fsync:before@2',
      of: 'triggered',
      said: (checkpoint) => `while writing the log entry of checkpoint ${checkpoint}`,
    },
    {
      failpoint: `commit:before@${nth(3)}`,
      of: 'published',
      said: (checkpoint) => `before the commit of checkpoint ${checkpoint}`,
    },
    { failpoint: 'restore.recommit:before', of: 'none', said: () => 'while recovering from that' },
    {
      failpoint: `commit:after@${nth(2)}`,
      of: 'published',
      // Where the run dies in its recovery, it has published nothing: it was the commit of the kill before.
      said: (checkpoint) =>
        `after ${checkpoint === 0 ? 'that commit' : `the commit of checkpoint ${checkpoint}`}, before the log knew`,
    },
    { withinMs: rows >= BIG ? 1000 : 150, of: 'none', said: () => 'at a random moment' },
  ]
}
