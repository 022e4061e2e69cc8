import type { Finding } from '../../core/checkpoint-types.ts'
import type { PreflightContext } from '../../core/context.ts'
import { toMillraceError } from '../../core/errors.ts'
import { retentionMs, safeDowntimeFindings, type Expiry } from '../../core/preflight-rules.ts'
import type { SlsClient } from '../../clients/sls/index.ts'

const DAY_MS = 86_400_000

/** Reachability, rights, and whether the logstore keeps logs long enough for the longest downtime. */
export async function checkSls(client: SlsClient, context: PreflightContext): Promise<readonly Finding[]> {
  try {
    const [shard] = await client.listShards()
    if (shard === undefined) return [{ severity: 'error', code: 'PREFLIGHT', message: 'the logstore has no shard' }]
    await client.getCursor(shard.id, 'end')
  } catch (thrown) {
    const error = toMillraceError(thrown)
    return [{ severity: 'error', code: error.code, message: error.message, hint: error.remedy, path: ['endpoint'] }]
  }
  return await checkRetention(client, context)
}

async function checkRetention(client: SlsClient, { times }: PreflightContext): Promise<readonly Finding[]> {
  const needed = retentionMs(times)
  try {
    const days = await client.retentionDays()
    if (days === undefined) return []
    const expiry: Expiry = { what: 'logs of the logstore (ttl)', kind: 'retention', lifeMs: days * DAY_MS }
    const told = safeDowntimeFindings(times, [expiry])
    if (days * DAY_MS >= needed) return told
    const message = `the logstore keeps logs for ${days} days (ttl); ${Math.ceil(needed / 1000)} s are needed`
    const hint = 'Raise the logstore’s retention, or lower checkpoint.maxDowntime.'
    return [{ severity: 'error', code: 'PREFLIGHT', message, hint, path: ['logstore'] }, ...told]
  } catch (thrown) {
    // Reading needs no right to see the settings, so a policy may withhold them.
    const message = `how long the logstore keeps logs is not known: ${toMillraceError(thrown).message}`
    return [{ severity: 'warning', code: 'PREFLIGHT', message, path: ['logstore'] }]
  }
}
