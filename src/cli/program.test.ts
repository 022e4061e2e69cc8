import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempDisposable, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { CONNECTOR_MODULES, CONNECTOR_NAMES, loadConnector } from '../connectors/registry.ts'
import { optionTable } from '../plan/option-table.ts'
import { SINKS, SOURCES } from './init.ts'
import { pipelineText } from './init-templates.ts'
import { runProgram } from './program.ts'
import { VERBS } from './verbs.ts'

interface Outcome {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** One command line in this process. */
async function millrace(...argv: string[]): Promise<Outcome> {
  let out = ''
  let err = ''
  const code = await runProgram(argv, {
    version: '1.2.3',
    environment: {},
    stdout: { isTTY: false, write: (text: string | Uint8Array) => ((out += String(text)), true) },
    stderr: { isTTY: false, write: (text: string | Uint8Array) => ((err += String(text)), true) },
    signals: () => ({ stop: new AbortController().signal, kill: new AbortController().signal }),
  })
  return { code, out, err }
}

const GOOD = `name: good
parallelism: 2
sources:
  events: {connector: file, path: ./x.ndjson, schema: {id: bigint}}
sinks:
  out: {from: events, connector: blackhole}
`

async function withFile(text: string, work: (file: string) => Promise<void>): Promise<void> {
  await using directory = await mkdtempDisposable(path.join(tmpdir(), 'millrace-'))
  const file = path.join(directory.path, 'pipeline.yaml')
  await writeFile(file, text)
  await work(file)
}

test('the help of the program lists every verb, and every verb has help with an example', async () => {
  const { code, out } = await millrace('--help')
  assert.equal(code, 0)
  for (const { name, summary } of VERBS) {
    assert.ok(out.includes(name) && out.includes(summary), name)
    const help = await millrace(name, '--help')
    assert.equal(help.code, 0)
    assert.match(help.out, new RegExp(`Usage: millrace ${name}`))
    assert.match(help.out, new RegExp(`Examples?:\\n +\\$ millrace ${name}`), name)
    assert.match(help.out, /--json/)
    assert.equal((await millrace('help', name)).out, help.out)
  }
  assert.equal((await millrace()).out, out)
  assert.equal((await millrace('--version')).out, '1.2.3\n')
})

test('unknown verbs, options and missing arguments end with 64 and what to write', async () => {
  const cases: readonly (readonly [string[], RegExp])[] = [
    [['chekc'], /unknown verb "chekc" → did you mean "check"\?/],
    [['check'], /missing required argument 'file' → millrace check --help/],
    [['check', '--conect', 'x'], /unknown option '--conect' → Did you mean --connect\?/],
    [['schema', 'x', 'y'], /too many arguments/],
    [['connectors', 'kafak'], /unknown connector "kafak"/],
    [['check', '--password', 'x', 'y.yaml'], /unknown option '--password'/],
  ]
  for (const [argv, message] of cases) {
    const { code, out, err } = await millrace(...argv)
    assert.deepEqual([code, out], [64, ''], argv.join(' '))
    assert.match(err, message)
    const json = await millrace(...argv, '--json')
    const envelope = JSON.parse(json.out) as Record<string, unknown>
    assert.deepEqual([json.code, json.err, envelope['ok'], envelope['result']], [64, '', false, null])
  }
})

test('every verb prints one envelope under --json', async () => {
  await withFile(GOOD, async (file) => {
    const lines = [
      ['check', file],
      ['explain', file],
      ['connectors'],
      ['connectors', 'blackhole'],
      ['schema'],
      ['doctor'],
    ]
    for (const argv of lines) {
      const { out } = await millrace(...argv, '--json')
      assert.equal(out.trimEnd().split('\n').length, 1)
      const envelope = JSON.parse(out) as Record<string, unknown>
      assert.deepEqual(Object.keys(envelope), ['command', 'ok', 'result', 'findings'])
      assert.equal(envelope['command'], argv[0])
    }
  })
})

test('check names what is wrong with file, line and column, and ends with 64', async () => {
  await withFile(GOOD, async (file) => {
    const { code, out } = await millrace('check', file)
    assert.deepEqual([code, out], [0, `✓ ${file}: good, 1 in, 1 out, delivery atomic\n`])
  })
  await withFile(GOOD.replace('blackhole', 'blackhole, tabel: x').replace('bigint', 'bigin'), async (file) => {
    const { code, out } = await millrace('check', file)
    const expected = `${file}:4:56 CONFIG sources.events.schema.id: unknown type "bigin" → `
    assert.deepEqual([code, out.startsWith(expected)], [64, true], out)
    assert.match(out, /pipeline\.yaml:6:45 CONFIG sinks\.out\.tabel: unknown option "tabel"\n2 errors\n$/)
    const envelope = JSON.parse((await millrace('check', file, '--json')).out) as { findings: { line: number }[] }
    assert.deepEqual(
      envelope.findings.map((finding) => finding.line),
      [4, 6],
    )
  })
})

test('check looks at several files and goes on after a bad one', async () => {
  await withFile(GOOD, async (file) => {
    const { code, out } = await millrace('check', '/nowhere.yaml', file)
    assert.equal(code, 64)
    assert.match(out, /✓ .*good[^]*\/nowhere\.yaml CONFIG there is no such file\n1 error\n$/)
  })
})

test('check --connect asks every system and shows a tick for each', async () => {
  await withFile(GOOD, async (file) => {
    await writeFile(path.join(path.dirname(file), 'x.ndjson'), '{"id":1}\n')
    const good = await millrace('check', file, '--connect')
    assert.equal(good.code, 0, good.out)
    assert.match(good.out, / {2}✓ events \(file\)\n/)
    assert.match(good.out, / {2}✓ out \(blackhole\)\n/)
  })
})

test('check --connect names the server that cannot be reached with its place in the file, and no secret', async () => {
  const sink = 'starrocks, url: "http://127.0.0.1:1", database: d, table: t, password: c4nary'
  await withFile(GOOD.replace('blackhole', sink), async (file) => {
    await writeFile(path.join(path.dirname(file), 'x.ndjson'), '')
    const { code, out } = await millrace('check', file, '--connect')
    assert.equal(code, 1)
    assert.match(out, / {2}✗ out \(starrocks\)\n/)
    assert.match(out, /pipeline\.yaml:6:\d+ UNAVAILABLE sinks\.out\.url: .*127\.0\.0\.1:1.* → is the server running/)
    assert.doesNotMatch(out + (await millrace('check', file, '--connect', '--json')).out, /c4nary/)
  })
})

test('every connector of the registry loads under its name, with described options and masked secrets', async () => {
  for (const name of CONNECTOR_NAMES) {
    const connector = await loadConnector(name)
    assert.equal(connector?.name, name)
    for (const side of [connector?.source, connector?.sink]) {
      if (side === undefined) continue
      for (const row of optionTable(side.options)) {
        const option = `${name}.${row.name}`
        assert.ok(row.description !== '', `${option} has a description`)
        assert.ok(row.isSecret || !/password|secret|token/i.test(row.name), `${option} is a secret`)
      }
    }
  }
})

test('no other module than those of the registry is imported as a connector', async () => {
  for (const name of ['../plan/plan', 'constructor', '__proto__', 'toString', '', 'node:fs', './blackhole']) {
    assert.equal(await loadConnector(name), undefined, name)
    await withFile(GOOD.replace('connector: blackhole', `connector: ${JSON.stringify(name)}`), async (file) => {
      assert.match((await millrace('check', file)).out, /unknown connector/)
    })
  }
  assert.ok(Object.isFrozen(CONNECTOR_MODULES))
})

test('what init writes passes check, for every pair of templates', async () => {
  for (const source of SOURCES) {
    for (const sink of SINKS) {
      await withFile(pipelineText('clicks', source, sink), async (file) => {
        const { code, out } = await millrace('check', file)
        assert.equal(code, 0, `${source.connector} → ${sink.connector}: ${out}`)
      })
    }
  }
})

interface EditorSchema {
  readonly properties: Readonly<
    Record<
      string,
      { readonly additionalProperties?: { readonly properties: { readonly connector: { readonly enum: string[] } } } }
    >
  >
}

test('the schema knows every connector and the frame of the file', async () => {
  const { properties } = JSON.parse((await millrace('schema')).out) as EditorSchema
  const named = ['sources', 'sinks'].flatMap(
    (section) => properties[section]?.additionalProperties?.properties.connector.enum ?? [],
  )
  assert.deepEqual([...new Set(named)].toSorted(), [...CONNECTOR_NAMES])
  assert.ok('checkpoint' in properties && 'delivery' in properties)
})

const launcher = path.join(import.meta.dirname, '..', '..', 'bin', 'millrace')

test('the launcher hands arguments, working directory and exit codes through, and init never replaces a file by itself', async () => {
  await using directory = await mkdtempDisposable(path.join(tmpdir(), 'millrace-'))
  const run = (...argv: string[]): { status: number | null; stdout: string; stderr: string } =>
    spawnSync(process.execPath, [launcher, ...argv], {
      cwd: directory.path,
      encoding: 'utf8',
      env: { ...process.env, NO_COLOR: '1' },
    })
  const first = run('init', 'clicks', '--from', 'file', '--to', 'blackhole')
  assert.deepEqual([first.status, first.stderr], [0, ''])
  assert.match(await readFile(path.join(directory.path, 'clicks.yaml'), 'utf8'), /^name: clicks /m)
  const second = run('init', 'clicks')
  assert.deepEqual([second.status, second.stdout], [64, ''])
  assert.match(second.stderr, /clicks\.yaml is there already; --force replaces it/)
  assert.equal(run('init', '../x').status, 64)
  const dead = run('init', '--from', 'mysql://root@127.0.0.1:1/shop', '--to', 'starrocks://root@127.0.0.1:8030/shop')
  assert.match(dead.stderr, /--from: mysql did not answer at 127\.0\.0\.1:1: .*See that the server runs/)
})
