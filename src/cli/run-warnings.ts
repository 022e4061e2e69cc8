import type { Logger } from '../core/context.ts'
import type { LocatedFinding } from '../plan/parsed-file.ts'

/** What is weaker than it should be is said at every start, not only by `check`. */
export function warnOf(findings: readonly LocatedFinding[], logger: Logger): void {
  for (const { severity, message, hint, path } of findings) {
    if (severity === 'warning') logger.warn(sentences(path?.join('.'), message, hint))
  }
}

/** A server that is away is no obstacle: the job waits for it. */
export function warnOfAbsent(found: readonly LocatedFinding[], logger: Logger): void {
  for (const { code, message, path } of found) {
    if (code !== 'UNAVAILABLE') continue
    logger.warn(sentences(path?.slice(0, 2).join('.'), message, 'The job starts, and goes on trying.'))
  }
}

function sentences(where: string | undefined, message: string, more: string | undefined): string {
  const told = more === undefined ? message : `${message.replace(/\.$/, '')}. ${more}`
  return where === undefined ? told : `${where}: ${told}`
}
