import type { Finding } from '../../core/checkpoint-types.ts'
import type { CheckpointTimes } from '../../core/context.ts'
import type { FileStore } from '../../core/file-store.ts'
import { formatDuration } from '../../core/options.ts'
import { preparedMs, safeDowntimeFindings } from '../../core/preflight-rules.ts'

/** Is the store there, may we look into it, and do staged files live long enough? Changes nothing. */
export async function checkStore(store: FileStore, times: CheckpointTimes): Promise<readonly Finding[]> {
  // The first answer tells of a missing bucket and of refused keys.
  for await (const _ of store.list('')) break
  const lifeMs = await store.staging?.lifeMs()
  if (lifeMs === undefined) return []
  const what = 'unfinished uploads (a rule of the bucket)'
  const safe = safeDowntimeFindings(times, [{ what, kind: 'prepared', lifeMs }])
  if (preparedMs(times) <= lifeMs) return safe
  const needed = formatDuration(preparedMs(times))
  const message = `staged files have to live ${needed}; a rule of the bucket removes unfinished uploads after ${formatDuration(lifeMs)}`
  const hint = 'Lower checkpoint.maxDowntime, or let the rule wait longer.'
  return [...safe, { severity: 'error', code: 'PREFLIGHT', message, hint, path: ['path'] }]
}
