/** The published package: built, packed, installed into an empty directory without install scripts, and started there. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { globSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { readJson, repository } from './tidy/source-tree.ts'

const environment = {
  ...process.env,
  PATH: `${path.dirname(process.execPath)}${path.delimiter}${process.env['PATH'] ?? ''}`,
}

async function run(program: string, args: readonly string[], cwd: string): Promise<string> {
  try {
    const done = await promisify(execFile)(program, args, { cwd, env: environment, maxBuffer: 64 << 20 })
    return done.stdout
  } catch (error) {
    const said = error instanceof Error && 'stdout' in error ? String(error.stdout) : ''
    throw new Error(`${path.basename(program)} ${args[0]} failed: ${said}`, { cause: error })
  }
}

async function openDirectory(): Promise<AsyncDisposable & { readonly path: string }> {
  const directory = await mkdtemp(path.join(tmpdir(), 'millrace-package-'))
  return { path: directory, [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }) }
}

interface Packed {
  readonly filename: string
  readonly files: readonly { readonly path: string }[]
}

const JOB = `
name: job
sources:
  in: {connector: file, path: ./in, format: json, schema: {id: bigint}}
transforms:
  next: {from: in, sql: 'SELECT id + 1 AS id FROM "in"'}
sinks:
  out: {from: next, connector: files, path: ./out, format: ndjson}
`

test('the package holds compiled JavaScript only, and runs where nothing but Node is installed', async () => {
  await using directory = await openDirectory()
  await run(process.execPath, ['scripts/build.ts'], repository)
  const flags = ['--json', '--ignore-scripts', `--pack-destination=${directory.path}`]
  const [packed] = JSON.parse(await run('npm', ['pack', ...flags], repository)) as [Packed]

  const files = packed.files.map((file) => file.path)
  const allowed = /^(package\.json|README\.md|LICENSE|bin\/[\w.-]+|dist\/licenses\.txt|dist\/[\w./-]+\.(js|d\.ts))$/
  assert.deepEqual(
    files.filter((file) => !allowed.test(file)),
    [],
  )
  assert.deepEqual(
    files.filter((file) => /\.test\.|testing\//.test(file)),
    [],
  )
  assert.ok(files.includes('dist/index.js') && files.includes('dist/index.d.ts') && files.includes('bin/millrace'))

  const home = path.join(directory.path, 'home')
  await mkdir(home)
  await writeFile(path.join(home, 'package.json'), '{ "private": true, "type": "module" }\n')
  const quiet = ['--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error']
  await run('npm', ['install', ...quiet, path.join(directory.path, packed.filename)], home)

  const { version } = readJson<{ version: string }>('package.json')
  const command = path.join(home, 'node_modules', '.bin', 'millrace')
  assert.equal((await run(command, ['--version'], home)).trim(), version)
  assert.match(await run(command, ['--help'], home), /\brun\b/)
  await mkdir(path.join(home, 'in'))
  await writeFile(path.join(home, 'in', 'rows.ndjson'), '{"id":1}\n')
  await writeFile(path.join(home, 'job.yaml'), JOB)
  await run(command, ['run', 'job.yaml'], home)
  const [written = ''] = globSync('out/*.ndjson', { cwd: home })
  assert.equal(await readFile(path.join(home, written), 'utf8'), '{"id":2}\n', 'threads and connectors are found')

  const names = "import * as api from 'millrace'; console.log(Object.keys(api).join(' '))"
  assert.match(await run(process.execPath, ['--input-type=module', '-e', names], home), /\bMillraceError\b/)
  const kafka = "import { Kafka, encodeJson } from 'millrace/kafka'; console.log(typeof Kafka, encodeJson(2n ** 60n))"
  const said = await run(process.execPath, ['--input-type=module', '-e', kafka], home)
  assert.equal(said.trim(), 'function 1152921504606846976')
  const load =
    "import { StarRocks } from 'millrace/starrocks'; import { Doris } from 'millrace/doris'; console.log(StarRocks.name, Doris.name)"
  assert.equal((await run(process.execPath, ['--input-type=module', '-e', load], home)).trim(), 'StarRocks Doris')
})
