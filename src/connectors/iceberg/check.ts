import type { Finding } from '../../core/checkpoint-types.ts'
import type { PreflightContext } from '../../core/context.ts'
import { toMillraceError } from '../../core/errors.ts'
import { retentionMs, safeDowntimeFindings } from '../../core/preflight-rules.ts'
import type { IcebergSourceOptions } from './options.ts'
import { chosenSnapshot, readFields } from './read-schema.ts'
import type { SnapshotPlans } from './snapshot-plans.ts'

/** The default of `history.expire.max-snapshot-age-ms` (apache/iceberg core TableProperties.java). */
const SNAPSHOT_AGE_MS = 5 * 86_400_000

/** Is the table there and readable, and will its snapshots live as long as we may need them? */
export async function checkIceberg(
  options: IcebergSourceOptions,
  plans: SnapshotPlans,
  context: PreflightContext,
): Promise<readonly Finding[]> {
  const key = options.catalog === undefined ? 'table' : 'catalog'
  const path = ['sources', context.id, key]
  try {
    const { metadata } = await plans.table()
    readFields(options, metadata)
    const snapshot = chosenSnapshot(options, metadata)
    if (snapshot !== undefined) await plans.plan({ snapshot: snapshot.id, rows: 'all' }, 1)
    const findings: Finding[] = []
    if (snapshot === undefined && !options.follow) {
      const message = `${metadata.location} has no snapshot: there is nothing to read`
      findings.push({ severity: 'warning', code: 'PREFLIGHT', message, path })
    }
    const kept = Number(metadata.properties['history.expire.max-snapshot-age-ms'] ?? SNAPSHOT_AGE_MS)
    const needed = retentionMs(context.times)
    if (kept < needed) {
      findings.push({
        severity: 'warning',
        code: 'PREFLIGHT',
        message: `snapshots of ${metadata.location} may expire after ${hours(kept)}; ${hours(needed)} are needed`,
        hint: 'Raise history.expire.max-snapshot-age-ms of the table, or lower checkpoint.maxDowntime.',
        path,
      })
    }
    const what = `snapshots of ${metadata.location} (history.expire.max-snapshot-age-ms)`
    findings.push(...safeDowntimeFindings(context.times, [{ what, kind: 'retention', lifeMs: kept }]))
    return findings
  } catch (thrown) {
    const error = toMillraceError(thrown)
    return [{ severity: 'error', code: error.code, message: error.message, hint: error.remedy, path }]
  }
}

function hours(ms: number): string {
  return `${Math.ceil(ms / 3_600_000)} h`
}
