import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import type { BackendDirectory } from './backend-list.ts'
import { checkEndpoint } from './endpoint.ts'
import type { Resolver } from './resolve.ts'
import { GET, POST, PUT, errorOf, lists, open, silent } from './testing/http-calls.ts'
import { endpointOf, ScriptedServer } from './testing/scripted-server.ts'
import { mayHaveArrived } from './wire-error.ts'

test('a redirect to a stranger is denied and nothing is sent there', async () => {
  await using stranger = await silent()
  await using fe = await ScriptedServer.start((visit) => visit.redirect(`http://2130706433:${stranger.port}/x`))
  for (const [endpoint, reason] of [
    [endpointOf([fe], { backends: ['127.0.0.1:1'] }), 'not listed in `backends`'],
    [endpointOf([fe]), 'the FE did not tell its backends'],
  ] as const) {
    await using http = open(endpoint)
    for (const attempt of [http.call(GET), http.call(POST), http.open(PUT)]) {
      const error = await errorOf(attempt)
      assert.deepEqual([error.code, error.retry], ['REDIRECT_DENIED', 'halt'])
      assert.ok(error.message.includes(reason), error.message)
    }
  }
  assert.equal(stranger.connections, 0)
})

test('a backend the FE lists is followed, and a new one is asked for again', async () => {
  const listed: string[] = []
  let asked = 0
  await using first = await ScriptedServer.start((visit) => visit.reply('first'))
  await using second = await ScriptedServer.start((visit) => visit.reply('second'))
  let target = first
  await using fe = await ScriptedServer.start((visit) => visit.redirect(`${target.url}/x`))
  const directory: BackendDirectory = async () => {
    asked++
    listed.push(target.authority)
    return { authorities: [...listed], refusals: [] }
  }
  await using http = open(endpointOf([fe]), directory)
  assert.equal((await http.call(GET)).body.toString(), 'first')
  assert.equal((await http.call(GET)).body.toString(), 'first')
  target = second
  assert.equal((await http.call(GET)).body.toString(), 'second')
  assert.equal(asked, 2)
})

test('redirects in a circle end after three hops', async () => {
  await using fe = await ScriptedServer.start((visit) => visit.redirect('/x'))
  await using http = open(endpointOf([fe]))
  assert.equal((await errorOf(http.call(GET))).code, 'REDIRECT_DENIED')
  assert.equal(fe.seen.length, 4)
})

test('a name is resolved once per hop, and the address that was checked is the one connected to', async () => {
  await using be = await ScriptedServer.start((visit) => visit.reply('here'))
  await using fe = await ScriptedServer.start((visit) => visit.redirect(`http://be.test:${be.port}/x`))
  const answers = ['127.0.0.1', '169.254.169.254']
  const resolver: Resolver = async () => [answers.shift() ?? assert.fail('asked too often')]
  await using http = open(endpointOf([fe], { backends: [`be.test:${be.port}`] }), lists(), resolver)
  assert.equal((await http.call(GET)).body.toString(), 'here')
  assert.equal(be.seen[0]?.headers.get('host'), `be.test:${be.port}`)
  // The second time the name has moved to a metadata service.
  assert.equal((await errorOf(http.call(GET))).code, 'REDIRECT_DENIED')
  assert.equal(be.seen.length, 1)
})

test('a name with one forbidden address among good ones is not connected to', async () => {
  await using fe = await silent()
  const endpoint = endpointOf([fe], { urls: [`http://fe.test:${fe.port}`] })
  await using http = open(endpoint, lists(), async () => ['127.0.0.1', 'fe80::1'])
  assert.equal((await errorOf(http.call(GET))).code, 'REDIRECT_DENIED')
  assert.equal(fe.connections, 0)
})

test('a remote FE that lists the loopback of this host is not believed', async () => {
  await using local = await silent()
  await using fe = await ScriptedServer.start((visit) => visit.redirect(`${local.url}/x`))
  // One address of the FE is remote; the other one makes it reachable for the test.
  const resolver: Resolver = async () => ['127.0.0.1', '192.0.2.7']
  const endpoint = endpointOf([], { urls: [`http://fe.test:${fe.port}`], allowPlaintext: true })
  await using http = open(endpoint, lists(local.authority), resolver)
  const error = await errorOf(http.call(GET))
  assert.equal(error.code, 'REDIRECT_DENIED')
  assert.match(error.message, /loopback of this host/)
  assert.equal(local.connections, 0)
})

test('a name without an address is unavailable, not wrong', async () => {
  const failures: readonly Resolver[] = [
    async () => [],
    async () => {
      throw new Error('SERVFAIL')
    },
    () => new Promise(() => undefined),
  ]
  const timeouts = { connectMs: 50, continueMs: 2_000, idleMs: 2_000, totalMs: 2_000 }
  for (const resolver of failures) {
    await using http = open(endpointOf([], { urls: ['http://fe.test:8030'], timeouts }), lists(), resolver)
    const error = await errorOf(http.call(POST))
    assert.deepEqual([error.code, error.retry, mayHaveArrived(error)], ['UNAVAILABLE', 'retry', false])
  }
})

test('a name is looked up in the system', async () => {
  await using fe = await ScriptedServer.start((visit) => visit.reply('x'))
  await using http = open(endpointOf([], { urls: [`http://localhost:${fe.port}`] }))
  assert.equal((await http.call(GET)).body.toString(), 'x')
})

test('the password crosses no network in the clear unless that is allowed', async () => {
  const endpoint = endpointOf([], { urls: ['http://fe.test:8030'] })
  await using http = open(endpoint, lists(), async () => ['192.0.2.7'])
  const error = await errorOf(http.call(GET))
  assert.deepEqual([error.code, error.retry], ['CONFIG', 'halt'])
  assert.match(error.message, /allowPlaintext/)
})

test('a certificate nobody vouches for is refused before the password is sent', async () => {
  const [key, cert] = ['key', 'cert'].map((kind) =>
    readFileSync(new URL(`../../../test/fixtures/tls/loopback-${kind}.pem`, import.meta.url), 'utf8'),
  )
  assert.ok(key !== undefined && cert !== undefined)
  await using fe = await ScriptedServer.start((visit) => visit.reply('secure'), { tls: { key, cert } })
  const endpoint = endpointOf([], { urls: [`https://loopback.test:${fe.port}`] })
  const resolver: Resolver = async () => ['127.0.0.1']
  await using strict = open(endpoint, lists(), resolver)
  const refused = await errorOf(strict.call(GET))
  assert.deepEqual([refused.code, refused.retry], ['CONFIG', 'halt'])
  await using other = open(
    { ...endpoint, urls: [`https://other.test:${fe.port}`], tls: { ca: cert } },
    lists(),
    resolver,
  )
  assert.equal((await errorOf(other.call(GET))).code, 'CONFIG')
  assert.equal(fe.seen.length, 0)
  await using trusting = open({ ...endpoint, tls: { ca: cert } }, lists(), resolver)
  assert.equal((await trusting.call(GET)).body.toString(), 'secure')
  await using blind = open({ ...endpoint, tls: { insecureSkipVerify: true } }, lists(), resolver)
  assert.equal((await blind.call(GET)).body.toString(), 'secure')
})

test('all mistakes of an endpoint are told at once, without the credentials in it', async () => {
  const endpoint = endpointOf([], {
    urls: ['ftp://x', 'http://u:canary-secret@fe:1', 'http://fe:1/path'],
    backends: ['be/x'],
  })
  const error = await errorOf((async () => checkEndpoint(endpoint))())
  assert.equal(error.code, 'CONFIG')
  assert.equal((error.detail['findings'] as string[]).length, 4, error.message)
})
