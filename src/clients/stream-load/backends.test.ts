import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AskFrontend } from './backend-list.ts'
import { askDoris } from './doris/backends.ts'
import { askStarRocks } from './starrocks/backends.ts'
import { replyOf } from './testing/replies.ts'

/** An FE that answers these paths and has no others. */
function frontend(answers: Readonly<Record<string, object>>): { ask: AskFrontend; asked: string[] } {
  const asked: string[] = []
  const ask: AskFrontend = async (path) => {
    asked.push(path)
    const answer = answers[path]
    return answer === undefined ? replyOf({ status: 'FAILED', msg: 'Not implemented' }, 404) : replyOf(answer)
  }
  return { ask, asked }
}

test('a StarRocks FE tells its backends and compute nodes to anybody with a password', async () => {
  const { ask, asked } = frontend({
    '/api/v2/backend': {
      code: '0',
      message: 'OK',
      result: [
        { id: 1, hostName: 'BE1', heartPort: 9050, httpPort: '8040', isAlive: true },
        { id: 2, hostName: 'fd00::5', httpPort: '8041', isAlive: false },
        { id: 3, hostName: 'evil/..', httpPort: '8040' },
        { id: 4 },
      ],
    },
    '/api/v2/computeNode': { code: '0', message: 'OK', result: [{ hostName: '10.0.0.9', httpPort: '8040' }] },
  })
  const { authorities, refusals } = await askStarRocks(ask)
  assert.deepEqual(authorities, ['be1:8040', '[fd00::5]:8041', '10.0.0.9:8040'])
  assert.deepEqual(refusals, ['GET /api/show_proc?path=/frontends: HTTP 404'])
  assert.ok(!asked.includes('/api/show_proc?path=/backends'), 'asked for more than is needed')
})

test('an older StarRocks FE tells administrators its backends and FEs', async () => {
  const { ask } = frontend({
    '/api/show_proc?path=/backends': [
      { BackendId: '1', IP: '10.0.0.1', HeartbeatPort: '9050', HttpPort: '8040', Alive: 'true' },
    ],
    '/api/show_proc?path=/frontends': [{ Name: 'fe', IP: '10.0.0.2', HttpPort: '8030', Role: 'LEADER' }],
  })
  assert.deepEqual((await askStarRocks(ask)).authorities, ['10.0.0.1:8040', '10.0.0.2:8030'])
})

test('an FE that tells nothing says so', async () => {
  const { ask } = frontend({})
  const starrocks = await askStarRocks(ask)
  assert.deepEqual([starrocks.authorities.length, starrocks.refusals.length], [0, 4])
  assert.deepEqual(await askDoris(ask), { authorities: [], refusals: ['GET /api/backends: HTTP 404'] })
})

test('a Doris FE tells its backends, dead ones too', async () => {
  const { ask } = frontend({
    '/api/backends': {
      msg: 'success',
      code: 0,
      data: {
        backends: [
          { ip: '10.0.0.1', http_port: 8040, is_alive: true },
          { ip: 'fd00::5', http_port: 8040, is_alive: false },
          { ip: 7, http_port: 'x' },
        ],
      },
      count: 0,
    },
  })
  assert.deepEqual(await askDoris(ask), { authorities: ['10.0.0.1:8040', '[fd00::5]:8040'], refusals: [] })
})
