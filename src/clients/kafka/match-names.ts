import { createContext, Script } from 'node:vm'
import { MillraceError } from '../../core/errors.ts'

/** For all names together. Good patterns take microseconds. */
const TIME_MS = 500

const script = new Script('names.filter((name) => pattern.test(name))')

/**
 * The names that a pattern matches. JavaScript's regular expressions may take years for some patterns and names, and the
 * names come from whoever may create topics, so the attempt has a time limit. (That is all `node:vm` is used for here: it
 * can stop a match. The code that it runs is ours.)
 *
 * @throws MillraceError CONFIG when the limit is reached, or the pattern is malformed.
 */
export function matchNames(pattern: string, names: readonly string[]): readonly string[] {
  try {
    return [...script.runInContext(createContext({ names, pattern: new RegExp(pattern) }), { timeout: TIME_MS })]
  } catch (cause) {
    const isLate = (cause as NodeJS.ErrnoException).code === 'ERR_SCRIPT_EXECUTION_TIMEOUT'
    const why = isLate
      ? `it takes more than ${TIME_MS} ms on ${names.length} names; avoid a repetition within a repetition`
      : (cause as Error).message
    throw new MillraceError(`the pattern ${pattern}: ${why}`, { code: 'CONFIG', cause })
  }
}
