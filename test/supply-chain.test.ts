/** What is installed: a complete lock file, nothing that runs on installation, and not more than the budget. */
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import { readJson, readText } from './tidy/source-tree.ts'

interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>
  readonly devDependencies: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
}
interface LockedPackage {
  readonly version?: string
  readonly resolved?: string
  readonly integrity?: string
  readonly link?: boolean
  readonly dev?: boolean
  readonly devOptional?: boolean
  readonly hasInstallScript?: boolean
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
}

const DIRECT_MAX = 25
const TOTAL_MAX = 150
/** Packages with an install script that we take nevertheless, each with the reason why it works without running it. */
const INSTALL_SCRIPTS: Readonly<Record<string, string>> = {
  'node_modules/esbuild': 'its script saves the command line a start of Node; the library finds the binary by itself',
}

const manifest = readJson<Manifest>('package.json')
const lock = readJson<{ packages: Readonly<Record<string, LockedPackage>> }>('package-lock.json').packages
const own = (name: string): boolean => name === '' || name.startsWith('tools/')
const foreign = Object.entries(lock).filter(([name, entry]) => !own(name) && entry.link !== true)

test('every locked package has an integrity hash', () => {
  const lacking = foreign.filter(([, { integrity }]) => integrity?.startsWith('sha512-') !== true)
  assert.deepEqual(
    lacking.map(([name]) => name),
    [],
  )
})

test('packages come from a registry, never from git or an address', () => {
  const versions = [manifest, readJson<Manifest>('tools/node-runtime/package.json')].flatMap((one) =>
    Object.entries({ ...one.dependencies, ...one.devDependencies, ...one.optionalDependencies }),
  )
  const inexact = versions.filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))
  assert.deepEqual(inexact, [], 'package.json names exact versions')
  const odd = foreign.filter(([, { resolved }]) => resolved !== undefined && !/^https:.*\.tgz$/.test(resolved))
  assert.deepEqual(
    odd.map(([name]) => name),
    [],
  )
})

test('the lock file belongs to package.json', () => {
  assert.deepEqual(lock['']?.dependencies, manifest.dependencies)
  assert.deepEqual(lock['']?.devDependencies, manifest.devDependencies)
})

test('no package needs an install script', () => {
  const withScript = foreign.filter(([, { hasInstallScript }]) => hasInstallScript === true).map(([name]) => name)
  assert.deepEqual(
    withScript.filter((name) => INSTALL_SCRIPTS[name] === undefined),
    [],
  )
  assert.match(readText('.npmrc'), /^ignore-scripts=true$/m)
  assert.match(readText('.npmrc'), /^save-exact=true$/m)
})

test('the number of dependencies stays within the budget', (t) => {
  const direct = Object.keys(manifest.dependencies).length
  // Platform packages count like any other, although a machine installs one of each family.
  const total = foreign.filter(([, { dev, devOptional }]) => dev !== true && devOptional !== true).length
  t.diagnostic(`${direct} direct, ${total} in total at run time`)
  assert.ok(direct <= DIRECT_MAX, `${direct} direct dependencies, at most ${DIRECT_MAX}`)
  assert.ok(total <= TOTAL_MAX, `${total} packages at run time, at most ${TOTAL_MAX}`)
})

test('every dependency has its sentence in docs/decisions/dependencies.md', () => {
  const page = readText('docs/decisions/dependencies.md')
  const names = Object.keys({ ...manifest.dependencies, ...manifest.devDependencies })
  assert.deepEqual(
    names.filter((name) => !page.includes(`\`${name}\``)),
    [],
  )
})

test('a Node with known data corruption is refused, an old one too', () => {
  const { isUsable } = createRequire(import.meta.url)('../bin/find-node.cjs') as {
    isUsable: (version: string) => boolean
  }
  for (const version of ['22.7.0', '20.20.2', '24.5.9']) assert.equal(isUsable(version), false, version)
  for (const version of ['24.6.0', '25.0.0', '26.10.0']) assert.equal(isUsable(version), true, version)
})
