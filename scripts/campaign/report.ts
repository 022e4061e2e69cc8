export interface Failure {
  readonly sink: string
  /** Of the job. */
  readonly seed: number
  readonly cycles: number
  readonly cycle: string
  readonly message: string
}

export interface CampaignReport {
  readonly seed: number
  readonly revision: string
  readonly node: string
  readonly seconds: number
  readonly cycles: number
  readonly rows: number
  readonly bySink: Readonly<Record<string, number>>
  readonly byCycle: Readonly<Record<string, number>>
  readonly failures: readonly Failure[]
  /** With no failure in `cycles` independent cycles the rate is below this with a confidence of 95 %. */
  readonly bound95: number
}

/** The upper end of the 95 % interval of the rate of failure (Poisson; 3/N where nothing failed). */
export function boundOf(failures: number, cycles: number): number {
  return cycles === 0 ? 1 : Math.min(1, (failures + 1.645 * Math.sqrt(failures) + 3) / cycles)
}

export function count<T extends string>(counts: Record<string, number>, what: T): void {
  counts[what] = (counts[what] ?? 0) + 1
}

export function markdown(report: CampaignReport): string {
  const { cycles, rows, failures, bound95, seconds, seed, revision, node, bySink, byCycle } = report
  const table = (title: string, counts: Readonly<Record<string, number>>): string[] => [
    `| ${title} | cycles |`,
    '| --- | ---: |',
    ...Object.entries(counts).map(([name, number]) => `| ${name} | ${number} |`),
    '',
  ]
  return [
    '# Kill campaign',
    '',
    `${cycles} cycles over ${rows} rows in ${Math.round(seconds)} s: ${failures.length} failures. ` +
      `The rate of failure of a cycle is below ${bound95.toExponential(1)} (95 %).`,
    '',
    `Seed ${seed}, revision ${revision}, Node ${node}. After every cycle the readers' view was audited: every row of every`,
    'partition once, in order, nothing else; at the end of each job nothing was left open.',
    '',
    ...table('sink', bySink),
    ...table('what happened', byCycle),
    ...failures.map(
      (one) => `- **${one.sink}** (seed ${one.seed}, ${one.cycles} cycles), ${one.cycle}: ${one.message}`,
    ),
    '',
  ].join('\n')
}
