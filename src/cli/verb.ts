import type { Command } from 'commander'
import type { LocatedFinding } from '../plan/parsed-file.ts'
import type { Output } from './output.ts'

/** A verb of the command line: one file that exports `verb`, and one line in verbs.ts. */
export interface Verb {
  /** Arguments and options. `--json` and `--help` are there already. */
  define?(command: Command): void
  /** Command lines that work, shown by `--help`. */
  readonly examples: readonly string[]
  /** Errors that it throws are printed and end the process with the exit code of their code. */
  run(call: VerbCall): Promise<VerbResult>
}

export interface VerbCall {
  readonly args: readonly string[]
  readonly options: Readonly<Record<string, unknown>>
  readonly output: Output
  /** From the first call on, Ctrl-C and SIGTERM end nothing by themselves: the verb obeys these signals. */
  signals(): StopSignals
}

export interface StopSignals {
  /** First Ctrl-C or SIGTERM: stop at a checkpoint. */
  readonly stop: AbortSignal
  /** Second one: end at once. */
  readonly kill: AbortSignal
}

export interface VerbResult {
  /** For `--json`: what it becomes as JSON. */
  readonly result?: object
  /** For people; colours with `paint`. */
  readonly text?: string
  readonly findings?: readonly LocatedFinding[]
  /** Default: 0 without error findings, else that of the first error's code. */
  readonly exitCode?: number
}
