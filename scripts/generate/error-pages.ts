import { ERROR_CODES } from '../../src/core/error-codes.ts'

/** `docs/errors.md`: every code with what happened and what to do. */
export function errorPage(): string {
  const sections = Object.entries(ERROR_CODES).map(([code, { exit, meaning, remedy }]) =>
    [`## ${code}`, '', `Exit code ${exit}. ${meaning}`, '', `→ ${remedy}`, ''].join('\n'),
  )
  return [
    '# Error codes',
    '',
    'Generated from `src/core/error-codes.ts` by `npm run generate`. The exit codes are a stable API; the table by exit',
    'code is in [guarantees.md](guarantees.md#exit-codes).',
    '',
    ...sections,
  ].join('\n')
}

/** Exit codes whose process must not be started again before an operator decided. */
const NEEDS_DECISION: ReadonlySet<number> = new Set([67, 68, 69, 73, 74])

/** The table of exit codes for `docs/guarantees.md`. */
export function exitCodeTable(): string {
  const byExit = new Map<number, string[]>()
  for (const [code, { exit }] of Object.entries(ERROR_CODES)) byExit.set(exit, [...(byExit.get(exit) ?? []), code])
  const rows = [...byExit]
    .sort(([one], [other]) => one - other)
    .map(([exit, codes]) => {
      const links = codes.map((code) => `[${code}](errors.md#${code.toLowerCase()})`).join(', ')
      return `| ${exit} | ${links} | ${NEEDS_DECISION.has(exit) ? 'yes' : ''} |`
    })
  return [
    '| exit | codes | an operator decides before the next start |',
    '| --- | --- | --- |',
    '| 0 | finished or stopped: everything is confirmed, nothing is pending | |',
    ...rows,
  ].join('\n')
}
