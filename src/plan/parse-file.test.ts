import assert from 'node:assert/strict'
import { mkdtempDisposable, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { parseFile } from './parse-file.ts'
import { parseText } from './parse-yaml.ts'
import { resolveModule } from './module-path.ts'

function messages(text: string, syntax: 'yaml' | 'json' = 'yaml'): string {
  return parseText(text, 'x.yaml', syntax)
    .findings.map(({ line, column, message }) => `${line ?? ''}:${column ?? ''} ${message}`)
    .join('\n')
}

test('every path has the position of its key, also inside of flow mappings and lists', () => {
  const parsed = parseText('name: x\nsources:\n  a: {connector: kafka, topics: [b, c]}\n', 'x.yaml', 'yaml')
  assert.deepEqual(parsed.findings, [])
  assert.deepEqual(parsed.position(['sources', 'a']), { line: 3, column: 3 })
  assert.deepEqual(parsed.position(['sources', 'a', 'connector']), { line: 3, column: 7 })
  assert.deepEqual(parsed.position(['sources', 'a', 'topics', 1]), { line: 3, column: 37 })
  assert.deepEqual(parsed.position(['sources', 'a', 'missing']), { line: 3, column: 3 })
  assert.deepEqual(parsed.position([]), { line: 1, column: 1 })
})

test('YAML 1.1 words, dates and octal numbers stay what they look like', () => {
  const { value } = parseText('a: yes\nb: 2026-01-01\nc: 0o10\nd: 010\ne: ~\nf: 1e3\n1: x', 'x.yaml', 'yaml')
  assert.deepEqual({ ...value }, { a: 'yes', b: '2026-01-01', c: 8, d: 10, e: null, f: 1000, 1: 'x' })
})

test('JSON with its own strictness has positions as well', () => {
  assert.deepEqual(parseText('{\n\t"a": [1, true]\n}', 'x.json', 'json').position(['a', 0]), { line: 2, column: 8 })
  assert.notEqual(messages('{"a": plain}', 'json'), '')
})

test('faults are named with line and column, one for each line', () => {
  assert.match(messages('a: 1\nb: [1, 2\nc: 3'), /^3:1 /)
  assert.equal(messages('a: 1\na: 2'), '2:1 a: the same key twice')
  assert.equal(messages('a: {b: 1, c: {b: 1, b: 2}}'), '1:21 b: the same key twice')
  assert.match(messages('x: {a: ${B}}'), /^1:9 /)
  assert.match(parseText('x: {a: ${B}}', 'x.yaml', 'yaml').findings[0]?.hint ?? '', /in quotes/)
  assert.match(messages('- a'), /object with name, sources and sinks/)
  assert.match(messages(''), /object with name, sources and sinks/)
  assert.equal(messages('a: 12345678901234567890'), '1:1 this number would lose digits')
  assert.match(messages('a: .inf'), /finite/)
})

test('merge keys, tags, anchors that nobody defined, several documents and odd keys are refused', () => {
  const hostile = [
    'a: &b {c: 1}\nd: {<<: *b}',
    'a: !!js/function x',
    'a: !!binary x',
    'a: *b',
    '--- {}\n--- {}',
    '? [a]\n: 1',
    '%YAML 1.1\n---\na: &b {c: 1}\nd: {<<: *b}',
  ]
  for (const text of hostile) assert.notEqual(messages(text), '', text)
})

test('keys that lead to the prototype are refused and objects have none', () => {
  for (const key of ['__proto__', 'constructor', 'prototype', '"__pro\\x74o__"']) {
    assert.match(messages(`a: {${key}: {polluted: yes}}`), /this key is not allowed/, key)
    assert.match(messages(`${key}: {polluted: yes}`), /this key is not allowed/, key)
  }
  assert.match(messages('{"a": {"__proto__": {"polluted": true}}}', 'json'), /this key is not allowed/)
  const { value } = parseText('a: {b: {c: 1}}', 'x.yaml', 'yaml')
  assert.equal(Object.getPrototypeOf(value), null)
  assert.equal(Object.getPrototypeOf(value?.['a']), null)
  assert.equal('polluted' in {}, false)
})

/** Each of these once cost seconds or gigabytes: in the lexer, in nesting, in duplicate checks, in errors, in aliases. */
const bombs: Readonly<Record<string, string>> = {
  'billion laughs': Array.from(
    { length: 12 },
    (_, i) => `a${i}: &a${i} [${`*a${i - 1},`.repeat(i === 0 ? 0 : 8)} x]`,
  ).join('\n'),
  'alias of itself': 'a: &a [*a]',
  'aliases by the thousand': `a: &a [x]\nb: [${'*a,'.repeat(200_000)}]`,
  'deep lists': '['.repeat(500_000),
  'deep closed lists': `${'['.repeat(20_000)}${']'.repeat(20_000)}`,
  'deep maps': '{a: '.repeat(200_000),
  'deep sequences': '- '.repeat(40_000),
  'deep blocks': Array.from({ length: 1400 }, (_, i) => `${' '.repeat(i)}a:`).join('\n'),
  'question marks': '? '.repeat(100_000),
  'many keys': Array.from({ length: 100_000 }, (_, i) => `k${i}: 1`).join('\n'),
  'many keys in one line': `{${Array.from({ length: 60_000 }, (_, i) => `k${i}: 1`).join(',')}}`,
  quotes: '"'.repeat(900_000),
  anchors: '&a '.repeat(100_000),
  tags: '! '.repeat(100_000),
  brackets: '}'.repeat(400_000),
  escapes: `a: "${'\\x'.repeat(400_000)}"`,
  documents: '---\n'.repeat(200_000),
  directives: '%x\n'.repeat(200_000),
  'too large': `a: ${'x'.repeat(1024 * 1024)}`,
}

for (const [name, text] of Object.entries(bombs)) {
  test(`a bomb is refused before it costs anything: ${name}`, { timeout: 60_000 }, () => {
    const before = process.memoryUsage().heapUsed
    assert.notEqual(messages(text), '')
    assert.ok(process.memoryUsage().heapUsed - before < 100 * 2 ** 20)
  })
}

test('files that cannot be a pipeline are refused with the reason', async () => {
  await using directory = await mkdtempDisposable(path.join(tmpdir(), 'millrace-'))
  const refusal = async (name: string, text?: string): Promise<string> => {
    const file = path.join(directory.path, name)
    if (text !== undefined) await writeFile(file, text)
    return (await parseFile(file)).findings.map((finding) => finding.message).join()
  }
  assert.equal(await refusal('none.yaml'), 'there is no such file')
  assert.match(await refusal('x.toml', ''), /ends in \.yaml/)
  assert.match(await refusal('a\0b.yaml'), /NUL/)
  assert.equal(await refusal('.', undefined), 'this is not a file')
  assert.match(await refusal('broken.ts', 'export default {'), /cannot be imported/)
  assert.equal(await refusal('good.ts', 'export default { name: "x" }'), '')
})

test('a module has to lie in the pipeline’s directory, also behind symbolic links', async () => {
  await using directory = await mkdtempDisposable(path.join(tmpdir(), 'millrace-'))
  await using outside = await mkdtempDisposable(path.join(tmpdir(), 'millrace-'))
  const target = path.join(outside.path, 'evil.ts')
  await writeFile(target, '')
  await writeFile(path.join(directory.path, 'good.ts'), '')
  await writeFile(path.join(directory.path, '..good.ts'), '')
  await symlink(target, path.join(directory.path, 'link.ts'))
  await symlink(outside.path, path.join(directory.path, 'folder'))
  const resolve = async (module: string): Promise<string> => {
    const found = await resolveModule(directory.path, module)
    return 'file' in found ? path.basename(found.file) : found.problem
  }
  assert.equal(await resolve('./good.ts'), 'good.ts')
  assert.equal(await resolve('./..good.ts'), '..good.ts')
  assert.match(await resolve('./link.ts'), /symbolic link/)
  assert.match(await resolve('./folder/evil.ts'), /symbolic link/)
  assert.match(await resolve(`../${path.basename(outside.path)}/evil.ts`), /outside/)
  assert.match(await resolve(target), /relative/)
  assert.match(await resolve('data:text/javascript,1.ts'), /relative/)
  assert.match(await resolve('node:fs.ts'), /relative/)
  assert.match(await resolve('./good.ts\0.ts'), /no such file/)
  assert.match(await resolve('./missing.ts'), /no such file/)
  assert.match(await resolve('./good.json'), /\.ts or \.js/)
})
