import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { MillraceError } from '../core/errors.ts'
import { Secret } from '../core/secret.ts'
import { parseEndpoint } from '../clients/sls/endpoint.ts'
import { SlsHttp } from '../clients/sls/http.ts'
import { signedHeaders, type SignableRequest } from '../clients/sls/signature.ts'
import { slsSourceOptions } from '../connectors/sls/options.ts'
import { SlsSource } from '../connectors/sls/source.ts'
import { encodeLogGroup } from './emulators/sls/log-group.ts'
import { testLaneContext, testSourceContext } from './lane-context.ts'
import type { OpenedSource } from './source-suite.ts'

const LIMITS = { silenceMs: 20_000, totalMs: 60_000, replyBytesMax: 1024 * 1024 } as const
const GROUPS = 24
const GROUP_ROWS = 10

/** Where a real logstore is, or `undefined` when nobody named one in MILLRACE_SLS. */
export function realLogstore(): string | undefined {
  const address = process.env['MILLRACE_SLS'] ?? ''
  return address === '' ? undefined : address
}

/**
 * Logs of this test's own in a real logstore with two shards or more: they are read from the moment before they were
 * written, so what else is in it does not matter as long as nobody else writes.
 *
 * @param address `https://accessKeyId:accessKeySecret@cn-hangzhou.log.aliyuncs.com/project/logstore`; `?token=…` for a
 * temporary key.
 */
export async function openRealLogstore(address: string): Promise<OpenedSource> {
  const url = new URL(address)
  const [, project = '', logstore = ''] = url.pathname.split('/')
  const account = { accessKeyId: decodeURIComponent(url.username), accessKeySecret: decodeURIComponent(url.password) }
  const token = url.searchParams.get('token')
  const endpoint = `${url.protocol}//${url.host}`
  // The service finds times by whole seconds: what came before is not to share one with what is written here.
  const start = Math.ceil(Date.now() / 1000) * 1000
  await pause(start - Date.now())
  const run = randomUUID()
  const put = writerOf({ endpoint, project, logstore, ...account, token })
  const records: string[] = []
  for (let group = 0; group < GROUPS; group++) {
    const rows = Array.from({ length: GROUP_ROWS }, (_, at) => ({ run, seq: String(group * GROUP_ROWS + at) }))
    await put(rows, group / GROUPS)
    records.push(...rows.map((row) => JSON.stringify(row)))
  }
  const options = slsSourceOptions.parse({
    endpoint,
    project,
    logstore,
    ...account,
    ...(token === null ? {} : { securityToken: token }),
    start,
    end: 'latest',
  })
  const source = new SlsSource(options)
  return {
    records,
    enumerator: () => source.enumerator(testSourceContext()),
    reader: () => source.reader(testLaneContext()),
    refused: (splits) => [
      {
        splits: splits.map((split) => ({ ...split, at: { ...split.at, group: 1_000_000_000 } })),
        code: 'POSITION_AHEAD',
      },
      { splits: splits.map((split) => ({ ...split, spec: { ...split.spec, created: 1 } })), code: 'POSITION_LOST' },
    ],
    [Symbol.asyncDispose]: async () => undefined,
  }
}

interface Account {
  readonly endpoint: string
  readonly project: string
  readonly logstore: string
  readonly accessKeyId: string
  readonly accessKeySecret: string
  readonly token: string | null
}

/** Writes one group to the shard at a part (0 to 1) of all keys, as plainly as PutLogs takes it. */
function writerOf(
  account: Account,
): (rows: readonly Readonly<Record<string, string>>[], part: number) => Promise<void> {
  const { endpoint, project, logstore, accessKeyId, accessKeySecret, token } = account
  const at = parseEndpoint(endpoint, project)
  const http = new SlsHttp(at, LIMITS)
  const credentials = {
    accessKeyId,
    accessKeySecret: new Secret(accessKeySecret),
    ...(token === null ? {} : { securityToken: new Secret(token) }),
  }
  return async (rows, part) => {
    const time = Math.floor(Date.now() / 1000)
    const body = encodeLogGroup({
      topic: 'millrace',
      logs: rows.map((row) => ({ time, contents: Object.entries(row) })),
    })
    const key = BigInt(Math.floor(part * 2 ** 32))
      .toString(16)
      .padStart(8, '0')
      .padEnd(32, '0')
    const path = `/logstores/${encodeURIComponent(logstore)}/shards/route`
    const headers = {
      host: at.authority,
      'x-log-apiversion': '0.6.0',
      'x-log-bodyrawsize': String(body.length),
      'content-type': 'application/x-protobuf',
      'content-length': String(body.length),
    }
    const request: SignableRequest = { method: 'POST', path, query: [['key', key]], headers, body }
    const signed = signedHeaders(request, credentials, { version: 'v1' }, Date.now())
    const reply = await http.send({ method: 'POST', target: `${path}?key=${key}`, headers: signed, body }, undefined)
    if (reply.status === 200) return
    throw new MillraceError(`writing logs for a test: HTTP ${reply.status} ${reply.body}`, { code: 'UNAVAILABLE' })
  }
}
