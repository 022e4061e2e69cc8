import type { AskFrontend, BackendAnswer } from '../backend-list.ts'
import { canonicalAuthority } from '../redirect-policy.ts'
import { isObject, parseExact, ReplyObject } from '../reply-json.ts'
import type { HttpReply } from '../reply-parser.ts'

/**
 * Asks a StarRocks FE which nodes may be redirected to.
 *
 * `GET /api/v2/backend` and `/api/v2/computeNode` need no more than a password (BackendActionV2.java: the result rows
 * have `hostName` and `httpPort` as text). Older FEs have `GET /api/show_proc?path=/backends` (ShowProcAction.java: rows
 * keyed by column titles, `IP` and `HttpPort`), which needs the admin role, as does `/frontends`, which makes the hop from
 * a follower to the leader known.
 */
export async function askStarRocks(ask: AskFrontend): Promise<BackendAnswer> {
  const authorities = new Set<string>()
  const refusals: string[] = []
  const collect = async (
    path: string,
    rowsOf: (reply: HttpReply) => readonly ReplyObject[] | undefined,
  ): Promise<boolean> => {
    const reply = await ask(path)
    const rows = reply.status === 200 ? rowsOf(reply) : undefined
    if (rows === undefined) refusals.push(`GET ${path}: HTTP ${reply.status}`)
    for (const row of rows ?? []) {
      const host = row.text('hostName') ?? row.text('IP')
      const port = row.text('httpPort')
      const authority = host === undefined || port === undefined ? undefined : authorityFrom(host, port)
      if (authority !== undefined) authorities.add(authority)
    }
    return rows !== undefined
  }
  const hasBackends = await collect('/api/v2/backend', resultRows)
  await collect('/api/v2/computeNode', resultRows)
  if (!hasBackends) await collect('/api/show_proc?path=/backends', procRows)
  await collect('/api/show_proc?path=/frontends', procRows)
  return { authorities: [...authorities], refusals }
}

function authorityFrom(host: string, port: string): string | undefined {
  return canonicalAuthority(host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`)
}

function resultRows(reply: HttpReply): readonly ReplyObject[] | undefined {
  return rowsOf(ReplyObject.parse(reply.body.toString('utf8'))?.value('result'))
}

function procRows(reply: HttpReply): readonly ReplyObject[] | undefined {
  return rowsOf(parseExact(reply.body.toString('utf8')))
}

function rowsOf(value: unknown): readonly ReplyObject[] | undefined {
  return Array.isArray(value) ? value.filter(isObject).map((row) => ReplyObject.of(row)) : undefined
}
