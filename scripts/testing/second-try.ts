import path from 'node:path'
import { repository } from './stage.ts'
import type { FileResult } from './suite.ts'

/** More files than this that fail are no accident of a busy machine. */
const MOST = 3

/** Their subject is chance: what one of them found once is a finding, whatever it finds the next time. */
const FINDINGS = /^test\/(e2e\/(kills|twins|toolkit-kills)\b|simulation\/)/

/**
 * The files that are run once more, alone, after all others: a test that waits for another process can fail on a machine
 * that is busy with something else. Empty when the failures of a run say more than that.
 */
export function worthSecondTry(results: readonly FileResult[]): string[] {
  const failed = results.filter(({ ok }) => !ok).map(({ file }) => file)
  const isFinding = (file: string): boolean => FINDINGS.test(path.relative(repository, file).replaceAll(path.sep, '/'))
  return failed.length > MOST || failed.some(isFinding) ? [] : failed
}

/** What a run comes to when some of its files were run again: their last result counts, their first story is kept. */
export function withSecondTries(
  first: readonly FileResult[],
  second: readonly FileResult[],
): { readonly results: readonly FileResult[]; readonly unsteady: readonly FileResult[] } {
  const again = new Map(second.map((result) => [result.file, result]))
  return {
    results: first.map((result) => again.get(result.file) ?? result),
    unsteady: first.filter((result) => again.get(result.file)?.ok === true),
  }
}
