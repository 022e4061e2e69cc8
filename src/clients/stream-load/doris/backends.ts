import type { AskFrontend, BackendAnswer } from '../backend-list.ts'
import { canonicalAuthority } from '../redirect-policy.ts'
import { isObject, ReplyObject } from '../reply-json.ts'

const PATH = '/api/backends'

/**
 * Asks a Doris FE which backends may be redirected to: `GET /api/backends`, which needs no more than a password and was
 * made for loaders (BackendsAction.java: `{"code":0,"data":{"backends":[{"ip","http_port","is_alive"}]}}`). Backends that
 * are not alive count as well: the FE may learn that they are back before we ask again. FEs are not listed over HTTP
 * without the admin role, so all of them belong into `urls`.
 */
export async function askDoris(ask: AskFrontend): Promise<BackendAnswer> {
  const reply = await ask(PATH)
  const data = ReplyObject.parse(reply.body.toString('utf8'))?.value('data')
  const rows = isObject(data) ? ReplyObject.of(data).value('backends') : undefined
  if (reply.status !== 200 || !Array.isArray(rows)) {
    return { authorities: [], refusals: [`GET ${PATH}: HTTP ${reply.status}`] }
  }
  const authorities = rows.filter(isObject).flatMap((row) => authorityOfRow(ReplyObject.of(row)))
  return { authorities, refusals: [] }
}

function authorityOfRow(row: ReplyObject): string[] {
  const host = row.text('ip')
  const port = row.integer('http_port')
  if (host === undefined || port === undefined) return []
  const authority = canonicalAuthority(host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`)
  return authority === undefined ? [] : [authority]
}
