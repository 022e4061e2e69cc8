import assert from 'node:assert/strict'
import { MillraceError } from '../../../core/errors.ts'
import type { BackendDirectory } from '../backend-list.ts'
import { checkEndpoint, type StreamLoadEndpoint } from '../endpoint.ts'
import { type LoadRequest, StreamLoadHttp } from '../http.ts'
import type { Resolver } from '../resolve.ts'
import { ScriptedServer } from './scripted-server.ts'

export const GET: LoadRequest = { method: 'GET', path: '/x', headers: [], isRepeatable: true, doing: 'asking' }
export const POST: LoadRequest = { method: 'POST', path: '/x', headers: [], isRepeatable: false, doing: 'beginning' }
export const PUT: LoadRequest = {
  method: 'PUT',
  path: '/x',
  headers: [['label', 'L']],
  isRepeatable: false,
  doing: 'loading',
}

export function lists(...authorities: string[]): BackendDirectory {
  return async () => ({ authorities, refusals: [] })
}

export function open(
  endpoint: StreamLoadEndpoint,
  directory: BackendDirectory = lists(),
  resolver?: Resolver,
): AsyncDisposable & StreamLoadHttp {
  const http = new StreamLoadHttp(checkEndpoint(endpoint), directory, resolver)
  return Object.assign(http, { [Symbol.asyncDispose]: async (): Promise<void> => http.close() })
}

/** The error of a promise, which has to be ours and to keep the password to itself. */
export async function errorOf(promise: Promise<unknown>): Promise<MillraceError> {
  const error = await promise.then(
    () => assert.fail('it succeeded'),
    (thrown: unknown) => thrown,
  )
  assert.ok(error instanceof MillraceError, String(error))
  const shown = JSON.stringify([error.message, error.stack, error.detail, String(error.cause)])
  for (const canary of ['canary-secret', Buffer.from('tester:canary-secret').toString('base64')]) {
    assert.ok(!shown.includes(canary), shown)
  }
  return error
}

/** A server that never says a word. */
export function silent(): Promise<ScriptedServer> {
  return ScriptedServer.start(() => undefined)
}
