/** What the source itself must not contain (security by reading, not by running). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { findLines, listFiles } from './tidy/source-tree.ts'

/** Lines of the product that fit, without comments and tests, as `file:line  text`. */
function linesWith(pattern: RegExp): string[] {
  return listFiles('src/**/*.ts')
    .filter((file) => !/\.test\.ts$|^src\/testkit\/|\/testing\//.test(file))
    .flatMap((file) => findLines(file, pattern))
    .filter((line) => !/^\S+ {2}(?:\*|\/[*/])/.test(line))
}

test('S1: a secret is revealed only where it is sent or compared, and never on a line that prints, throws or stores', () => {
  const revealed = linesWith(/\.reveal\(/)
  assert.ok(revealed.length > 0)
  assert.deepEqual(
    revealed.filter((line) => !/^src\/(?:clients\/|connectors\/|core\/secret\.ts)/.test(line)),
    [],
  )
  assert.deepEqual(
    revealed.filter((line) =>
      /\b(?:log\w*|print|warn|\w*Error|message|detail|stringify|inspect|write\w*)\(|message:|detail:/.test(line),
    ),
    [],
  )
})

test('S10: certificates are checked, except where an option that says so is true', () => {
  const switches = linesWith(/rejectUnauthorized|checkServerIdentity|TLS_REJECT|secureProtocol|minVersion/)
  assert.ok(switches.length > 0)
  const bySslMode = 'src/clients/postgres-replication/socket.ts'
  for (const line of switches.filter((one) => !one.startsWith(bySslMode)))
    assert.match(line, /rejectUnauthorized: (true\b.*|[\w.]*insecureSkipVerify !== true,)$/)
  // The words of libpq: `verify-ca` does not look at names, and what is not `verify-…` has to be asked for.
  assert.deepEqual(
    switches.filter((one) => one.startsWith(bySslMode)).map((one) => one.replace(/^\S+\s+/, '')),
    ['rejectUnauthorized: isChecked,', "...(sslMode === 'verify-ca' ? { checkServerIdentity: () => undefined } : {}),"],
  )
})

test('S24: nothing is evaluated; the one use of node:vm runs a constant, to be able to stop it', () => {
  assert.deepEqual(linesWith(/\beval\(|new Function\(|\bFunction\(['"`]/), [])
  const used = linesWith(/node:vm|new Script\(|runIn\w*Context|compileFunction/).map((line) => line.split(':')[0])
  assert.deepEqual([...new Set(used)], ['src/clients/kafka/match-names.ts'])
})
