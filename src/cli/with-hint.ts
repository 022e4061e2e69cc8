import { toMillraceError } from '../core/errors.ts'
import type { VerbResult } from './verb.ts'

/** The remedies of CONFIG and UNAVAILABLE speak of pipeline files and of running jobs; other verbs know better. */
export async function withHint(hint: string, work: () => Promise<VerbResult>): Promise<VerbResult> {
  try {
    return await work()
  } catch (thrown) {
    const error = toMillraceError(thrown)
    const { code, message, exitCode } = error
    if (code !== 'CONFIG' && code !== 'UNAVAILABLE') throw error
    return { findings: [{ file: '', severity: 'error', code, message, hint }], exitCode }
  }
}
