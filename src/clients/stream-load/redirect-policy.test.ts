import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Target } from './address.ts'
import { canonicalAuthority, decideRedirect, leadsHome, type RedirectDecision } from './redirect-policy.ts'

const FE: Target = { scheme: 'http', host: 'fe.example', port: 8030 }
const ALLOWED: ReadonlySet<string> = new Set(['fe.example:8030', 'be1.example:8040', '10.0.0.5:8040', '[fd00::5]:8040'])

function decide(location: string | undefined, from: Target = FE, hops = 0): RedirectDecision {
  return decideRedirect({ from, location, hops, allowed: ALLOWED })
}

test('a redirect to a listed backend is followed with its path and query', () => {
  assert.deepEqual(decide('http://be1.example:8040/api/demo/t/_stream_load?x=1'), {
    kind: 'follow',
    target: { scheme: 'http', host: 'be1.example', port: 8040 },
    path: '/api/demo/t/_stream_load?x=1',
  })
  for (const location of [
    'http://BE1.example.:8040/x',
    'http://167772165:8040/x',
    'http://[::ffff:10.0.0.5]:8040/x',
    'http://[fd00:0:0::5]:8040/x',
    '/x',
    '//be1.example:8040/x',
  ]) {
    assert.equal(decide(location).kind, 'follow', location)
  }
})

test('another host, port or spelling of a stranger is not in the list', () => {
  for (const location of [
    'http://evil.example:8040/x',
    'http://be1.example:8041/x',
    'http://be1.example/x',
    'http://be1.example.evil.example:8040/x',
    'http://10.0.0.6:8040/x',
    'http://2130706433:6379/x',
    'http://[::1]:8040/x',
  ]) {
    assert.equal(decide(location).kind, 'not-listed', location)
  }
})

test('what no list can allow is denied', () => {
  const corpus: Readonly<Record<string, string | undefined>> = {
    'no Location': undefined,
    'an empty one': '',
    'another scheme': 'ftp://be1.example:8040/x',
    'a script': 'javascript:alert(1)',
    'a file': 'file:///etc/passwd',
    credentials: 'http://user:pass@be1.example:8040/x',
    'a user that looks like a host': 'http://be1.example:8040@evil.example/x',
    'a backslash': 'http://be1.example:8040\\@evil.example/x',
    'a line break': 'http://be1.example:8040/x\r\nHost: evil',
    'a space': 'http://be1.example:8040 .evil.example/',
    'a tab': 'http://be1\t.example:8040/',
    'an unfinished URL': 'http://',
    'an impossible port': 'http://be1.example:99999/x',
    'another alphabet': 'http://bе1.example:8040/x',
    'link-local': 'http://169.254.169.254/latest/meta-data',
    'link-local in decimal': 'http://2852039166/latest',
    'link-local in octal': 'http://0251.0376.0251.0376/',
    'link-local in hex': 'http://0xa9fea9fe/',
    'link-local inside IPv6': 'http://[::ffff:169.254.169.254]/',
    'IPv6 link-local': 'http://[fe80::1]:8040/',
    'the unspecified address': 'http://0:8040/',
  }
  for (const [name, location] of Object.entries(corpus)) assert.equal(decide(location).kind, 'deny', name)
})

test('a better scheme is followed, a worse one never', () => {
  assert.equal(decide('https://be1.example:8040/x').kind, 'follow')
  assert.equal(decide('http://be1.example:8040/x', { ...FE, scheme: 'https' }).kind, 'deny')
})

test('three hops are followed, a fourth is not', () => {
  assert.deepEqual(
    [0, 1, 2, 3].map((hops) => decide('http://be1.example:8040/x', FE, hops).kind),
    ['follow', 'follow', 'follow', 'deny'],
  )
})

test('entries of backends are brought to one form', () => {
  const cases: Readonly<Record<string, string | undefined>> = {
    'BE1:8040': 'be1:8040',
    'http://be1:8040': 'be1:8040',
    'https://be1': 'be1:443',
    '[FD00::5]:8040': '[fd00::5]:8040',
    '0x7f000001:8040': '127.0.0.1:8040',
    'be1:8040/path': undefined,
    'user@be1:8040': undefined,
    'be1:port': undefined,
    '': undefined,
  }
  for (const [entry, expected] of Object.entries(cases)) assert.equal(canonicalAuthority(entry), expected, entry)
})

test('a remote FE cannot lead to the loopback of this host, a local one can', () => {
  assert.ok(leadsHome(['10.0.0.1'], ['127.0.0.1']))
  assert.ok(leadsHome(['127.0.0.1', '10.0.0.1'], ['10.0.0.2', '::1']))
  assert.ok(!leadsHome(['127.0.0.1', '::1'], ['127.0.0.1']))
  assert.ok(!leadsHome(['10.0.0.1'], ['10.0.0.2']))
})
