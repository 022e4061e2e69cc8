/** Canaries for every way in which a secret can be written, looked for in everything that is printed about a pipeline. */
import assert from 'node:assert/strict'
import { chmod, mkdtempDisposable, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { findingsText } from './findings-text.ts'
import { PLAN_CONNECTORS } from '../testkit/plan-connectors.ts'
import { explain, explanationText } from '../plan/explain.ts'
import { loadPipeline, type LoadedPipeline } from '../plan/load-pipeline.ts'
import { storeOpener } from '../storage/open-store.ts'

const CANARY = 'c4n@ry/4711 +"x'

async function load(directory: string, text: string, secrets: 'resolve' | 'leave'): Promise<LoadedPipeline> {
  const file = path.join(directory, 'x.yaml')
  await writeFile(file, text)
  return loadPipeline(file, { connectors: PLAN_CONNECTORS, environment: { CANARY }, secrets, storeOpener })
}

function pipeline(password: string, more = ''): string {
  return `name: x
sources:
  a:
    connector: log
    brokers: b:1
    topics: [t]
    sasl: {username: u, password: ${password}}
    properties: {ssl.key.password: "\${CANARY}"}
sinks:
  s:
    connector: warehouse
    from: a
    url: http://fe:8030
    database: d
    table: t
    password: ${password}
${more}`
}

/** All forms in which a careless program would let a secret out. */
function assertAbsent(printed: string): void {
  const forms = [
    CANARY,
    encodeURIComponent(CANARY),
    JSON.stringify(CANARY).slice(1, -1),
    Buffer.from(CANARY).toString('base64'),
    Buffer.from(`root:${CANARY}`).toString('base64'),
    'c4n@ry',
  ]
  for (const form of forms) assert.ok(!printed.includes(form), `${form} in ${printed}`)
}

async function everythingPrinted({ planned, findings }: LoadedPipeline): Promise<string> {
  const explanation = planned === undefined ? undefined : await explain(planned, PLAN_CONNECTORS)
  const text = explanation === undefined ? '' : explanationText(explanation)
  return [
    text,
    JSON.stringify(explanation),
    JSON.stringify(findings),
    inspect(findings, { depth: 9 }),
    findingsText(findings),
    planned?.plan.fingerprint,
  ].join('\n')
}

test('no secret is printed about a good pipeline', async () => {
  await using directory = await mkdtempDisposable(path.join(tmpdir(), 'millrace-'))
  const loaded = await load(directory.path, pipeline('"${CANARY}"'), 'resolve')
  assert.deepEqual(loaded.findings, [])
  assert.ok(
    JSON.stringify(loaded.planned?.plan).includes(JSON.stringify(CANARY)),
    'the plan itself carries it to the lanes',
  )
  assertAbsent(await everythingPrinted(loaded))
})

test('no secret is printed by what is wrong with a pipeline', async () => {
  await using directory = await mkdtempDisposable(path.join(tmpdir(), 'millrace-'))
  const mistakes = [
    pipeline('{text: "${CANARY}"}'),
    pipeline('["${CANARY}"]'),
    pipeline('"${CANARY}"', '    url2: http://root:${CANARY}@fe:8030'),
    pipeline('"${CANARY}"').replace('http://fe:8030', 'http://root:${CANARY}@fe:8030'),
    pipeline('"${CANARY}"').replace('connector: warehouse', 'connector: lake'),
    pipeline('"${CANARY}"').replace('table: t', 'table: {a: "${CANARY}"}'),
    pipeline("'c4n@ry' x"),
    pipeline('"c4n@ry\\x"'),
    pipeline('c4n@ry: c4n@ry'),
    pipeline('*c4n@ry'),
    pipeline('!c4n@ry x'),
  ]
  for (const text of mistakes) {
    const loaded = await load(directory.path, text, 'leave')
    assert.ok(loaded.findings.length > 0, text)
    assertAbsent(await everythingPrinted(loaded))
  }
})

test('secrets by reference are read once, when they are wanted', async () => {
  await using directory = await mkdtempDisposable(path.join(tmpdir(), 'millrace-'))
  const file = path.join(directory.path, 'password')
  await writeFile(file, `${CANARY}\n`, { mode: 0o600 })
  for (const reference of ['{file: ./password}', '{exec: cat password}', '{exec: [cat, password]}']) {
    const left = await load(directory.path, pipeline(reference), 'leave')
    assert.ok(left.planned !== undefined && !JSON.stringify(left.planned.plan.steps[1]).includes('c4n@ry'))
    const resolved = await load(directory.path, pipeline(reference), 'resolve')
    const [source, sink] = resolved.planned?.plan.steps ?? []
    assert.ok(source?.kind === 'source' && sink?.kind === 'sink')
    assert.deepEqual({ ...Object(source.options['sasl']) }, { username: 'u', password: CANARY })
    assert.equal(sink.options['password'], CANARY)
    assertAbsent(await everythingPrinted(resolved))
  }
})

test('secret files that others may read, that are missing, and commands that fail are refused', async () => {
  await using directory = await mkdtempDisposable(path.join(tmpdir(), 'millrace-'))
  const file = path.join(directory.path, 'password')
  await writeFile(file, CANARY)
  const refusal = async (reference: string): Promise<string> => {
    const loaded = await load(directory.path, pipeline(reference), 'resolve')
    assert.equal(loaded.planned, undefined)
    assertAbsent(await everythingPrinted(loaded))
    return loaded.findings.map((finding) => `${finding.line}: ${finding.message}`).join('\n')
  }
  for (const mode of [0o644, 0o640, 0o604]) {
    await chmod(file, mode)
    assert.match(await refusal('{file: password}'), /^7: .* can be read by other users\n16: /)
  }
  assert.match(await refusal('{file: none}'), /cannot be read \(ENOENT\)/)
  assert.match(await refusal('{exec: "cat password; cat password >&2; exit 3"}'), /command of this secret failed \(3\)/)
})
