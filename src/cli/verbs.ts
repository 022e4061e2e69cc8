import type { Verb } from './verb.ts'

export interface VerbEntry {
  readonly name: string
  /** One line for `millrace --help`. */
  readonly summary: string
  /** Imported when the verb is used: `--help` of the program loads none. */
  load(): Promise<{ readonly verb: Verb }>
}

/** Every verb, in the order of the help. A verb is listed when it works. */
export const VERBS: readonly VerbEntry[] = [
  { name: 'init', summary: 'Write a commented pipeline file to start from.', load: () => import('./init.ts') },
  { name: 'check', summary: 'Find all mistakes in a pipeline file.', load: () => import('./check.ts') },
  {
    name: 'explain',
    summary: 'Show what a pipeline will run and what it promises.',
    load: () => import('./explain.ts'),
  },
  { name: 'run', summary: 'Run a pipeline.', load: () => import('./run.ts') },
  { name: 'status', summary: 'Show how a job is doing.', load: () => import('./status.ts') },
  {
    name: 'checkpoints',
    summary: 'List the checkpoints of a job, or show one.',
    load: () => import('./checkpoints.ts'),
  },
  { name: 'tap', summary: 'Show records that leave a step of a running job.', load: () => import('./tap.ts') },
  { name: 'stop', summary: 'Stop a running job at a checkpoint.', load: () => import('./stop.ts') },
  {
    name: 'savepoint',
    summary: 'Keep a checkpoint for good, to go back to it.',
    load: () => import('./savepoint.ts'),
  },
  {
    name: 'rollback',
    summary: 'Go back to an older checkpoint or a savepoint.',
    load: () => import('./rollback.ts'),
  },
  {
    name: 'replay',
    summary: 'Read a part of the sources again, into another table.',
    load: () => import('./replay.ts'),
  },
  {
    name: 'dlq',
    summary: 'List dead letters, drive them in again, or drop them.',
    load: () => import('./dlq.ts'),
  },
  { name: 'decide', summary: 'Answer what a halted job cannot decide itself.', load: () => import('./decide.ts') },
  {
    name: 'transactions',
    summary: 'List transactions that a job holds open in Kafka, and end them.',
    load: () => import('./transactions.ts'),
  },
  {
    name: 'reconcile',
    summary: 'Compare what is in the sinks with what should be there.',
    load: () => import('./reconcile.ts'),
  },
  {
    name: 'verify',
    summary: 'Play a pipeline through faults, and prove the result.',
    load: () => import('./verify.ts'),
  },
  {
    name: 'emulate',
    summary: 'Run an emulator of StarRocks, Doris or SLS, for tests.',
    load: () => import('./emulate.ts'),
  },
  { name: 'connectors', summary: 'List connectors, or the options of one.', load: () => import('./connectors.ts') },
  {
    name: 'schema',
    summary: 'Print the JSON Schema of pipeline files, for editors.',
    load: () => import('./schema.ts'),
  },
  { name: 'doctor', summary: 'Check whether this machine is fit to run pipelines.', load: () => import('./doctor.ts') },
]
