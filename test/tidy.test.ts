/** The house rules that a linter cannot see. Each failure names the file and the rule; exceptions stand here with their reason. */
import assert from 'node:assert/strict'
import path from 'node:path'
import { test } from 'node:test'
import { importViolation, isTest, lintOverrides, MAY_IMPORT } from './tidy/import-rules.ts'
import { findLines, importsOf, lineCount, listFiles, readJson, readText } from './tidy/source-tree.ts'

const LINES_MAX = 500
/** Files that may be longer, each with the reason why it is one thing. */
const LONG_FILES: Readonly<Record<string, string>> = {}

const typescript = listFiles('src/**/*.ts', 'scripts/**/*.ts', 'test/**/*.ts', 'bench/**/*.ts', 'examples/**/*.ts')
const source = typescript.filter((file) => file.startsWith('src/'))
const written = [
  ...typescript,
  ...listFiles(
    '*.md',
    'docs/**/*.md',
    'src/**/*.md',
    'bin/*',
    'scripts/*.cjs',
    '*.json',
    '*.yaml',
    '.ci/*',
    'examples/**/*.*',
  ),
].filter((file) => file !== 'package-lock.json' && path.posix.extname(file) !== '.svg')

function assertNone(violations: readonly string[], rule: string): void {
  assert.equal(violations.length, 0, `${rule}:\n${violations.join('\n')}`)
}

test('rooms import only what the table allows', () => {
  const violations = source.flatMap((file) =>
    importsOf(file)
      .map((target) => [target, target.startsWith('src/') ? importViolation(inRoom(file), inRoom(target)) : undefined])
      .flatMap(([target, why]) => (why === undefined ? [] : [`${file} imports ${target}: ${why}`])),
  )
  assertNone(violations, 'see test/tidy/import-rules.ts')
})

test('production code never leaves src', () => {
  const violations = source
    .filter((file) => !isTest(file))
    .flatMap((file) => importsOf(file).flatMap((target) => (target.startsWith('src/') ? [] : [`${file} → ${target}`])))
  assertNone(violations, 'only tests may import from scripts/ or test/')
})

test('every folder of src is a room that the table knows', () => {
  const rooms = new Set(source.map((file) => inRoom(file).split('/')[0] ?? ''))
  assertNone(
    [...rooms].filter((room) => !(room in MAY_IMPORT)),
    'unknown rooms',
  )
})

test('the linter holds the same import table', () => {
  const { overrides } = readJson<{ overrides: { rules: Record<string, unknown> }[] }>('.oxlintrc.json')
  const held = overrides.filter(({ rules }) => 'no-restricted-imports' in rules)
  assert.deepEqual(held, lintOverrides(), '`npm run generate` writes it')
})

test('the import rules refuse what they should', () => {
  const refused: [string, string][] = [
    ['core/x.ts', 'dataplane/x.ts'],
    ['connectors/kafka/reader.ts', 'runtime/lane.ts'],
    ['connectors/kafka/reader.ts', 'connectors/file/reader.ts'],
    ['connectors/kafka/reader.ts', 'testkit/clock.ts'],
    ['clients/kafka/client.ts', 'clients/s3/client.ts'],
    ['storage/log.ts', 'clients/kafka/client.ts'],
    ['runtime/lane.ts', 'connectors/kafka/reader.ts'],
    ['server/http.ts', 'core/errors.ts'],
    ['testkit/x.ts', 'cli/main.ts'],
  ]
  const allowed: [string, string][] = [
    ['connectors/kafka/reader.ts', 'clients/kafka/client.ts'],
    ['connectors/kafka/reader.test.ts', 'testkit/clock.ts'],
    ['connectors/registry.ts', 'connectors/kafka/index.ts'],
    ['storage/log.ts', 'clients/s3/client.ts'],
    ['server/http.ts', 'index.ts'],
    ['cli/run.ts', 'runtime/lane.ts'],
  ]
  for (const [from, to] of refused) assert.notEqual(importViolation(from, to), undefined, `${from} → ${to}`)
  for (const [from, to] of allowed) assert.equal(importViolation(from, to), undefined, `${from} → ${to}`)
})

test(`no file has more than ${LINES_MAX} lines`, (t) => {
  const sizes = typescript
    .map((file) => ({ file, lines: lineCount(file) }))
    .sort((one, other) => one.lines - other.lines)
  t.diagnostic(`median ${sizes[Math.floor(sizes.length / 2)]?.lines} lines in ${sizes.length} files`)
  const long = sizes.filter(({ file, lines }) => lines > LINES_MAX && LONG_FILES[file] === undefined)
  assertNone(
    long.map(({ file, lines }) => `${file}: ${lines}`),
    'a file of this length has a second subject',
  )
  const stale = Object.keys(LONG_FILES).filter(
    (file) => !sizes.some((size) => size.file === file && size.lines > LINES_MAX),
  )
  assertNone(stale, 'exceptions that are needed no longer')
})

test('files and folders are named in kebab-case and after a subject', () => {
  const names = typescript.flatMap((file) => file.split('/').map((part) => ({ file, part })))
  const odd = names.filter(({ part }) => !/^[a-z0-9]+(-[a-z0-9]+)*((\.[a-z0-9-]+)*\.ts)?$/.test(part))
  assertNone([...new Set(odd.map(({ file }) => file))], 'kebab-case')
  const vague = names.filter(({ part }) => /^(utils?|commons?|misc|helpers?|shared|lib)(\.ts)?$/.test(part))
  assertNone([...new Set(vague.map(({ file }) => file))], 'a name says what is inside')
})

test('nothing written names a machine, a registry or unfinished work', () => {
  // Put together from pieces, so that this file does not find itself.
  const refused: readonly RegExp[] = [
    new RegExp(['/ho', 'me/[a-z]'].join('')),
    new RegExp(['/wo', 'rk/'].join('')),
    new RegExp(['(^|[^.])\\.\\./sha', 'red/|\\bsha', 'red/reference'].join('')),
    new RegExp(['registry\\.npm', 'js|registry\\.yarn', 'pkg|pypi', '\\.org|repo1?\\.mav', 'en'].join(''), 'i'),
    new RegExp(['\\bTO', 'DO\\b|\\bFIX', 'ME\\b|\\bXX', 'X\\b|\\bHA', 'CK\\b'].join('')),
  ]
  assertNone(
    refused.flatMap((pattern) => written.flatMap((file) => findLines(file, pattern))),
    'refused words',
  )
})

test('no check is switched off in the code', () => {
  // `expect-error` is a check of its own, in tests of types; elsewhere it is an escape.
  const hidden = new RegExp('@ts-expect-err' + 'or')
  const production = typescript.filter((file) => !isTest(file))
  assertNone(
    production.flatMap((file) => findLines(file, hidden)),
    'only tests may expect a type error',
  )
  const escapes = new RegExp(['@ts-(igno', 're|nocheck)|(ox|es)lint-dis', 'able|oxfmt-ign', 'ore'].join(''))
  assertNone(
    typescript.flatMap((file) => findLines(file, escapes)),
    'exceptions belong into .oxlintrc.json, with their files',
  )
})

test('no test is skipped, left to do or run alone', () => {
  const pattern = /\b(test|it|describe|suite)\.(only|skip|todo)\b|\b(only|skip|todo): true|\bt\.(skip|todo)\(/
  const violations = typescript
    .filter((file) => isTest(file) && file !== 'test/tidy.test.ts')
    .flatMap((file) => findLines(file, pattern))
  assertNone(violations, 'delete the test or mend it')
})

test('every connector folder has its index, its options, its page and a test', () => {
  const folders = new Set(listFiles('src/connectors/*/*').map((file) => path.posix.dirname(file)))
  const missing = [...folders].flatMap((folder) => {
    const files = listFiles(`${folder}/**/*`)
    const lacks = ['index.ts', 'options.ts', 'README.md'].filter((name) => !files.includes(`${folder}/${name}`))
    if (!files.some(isTest)) lacks.push('*.test.ts')
    return lacks.map((name) => `${folder}/${name}`)
  })
  assertNone(missing, 'missing')
})

test('every decision and every connector page can be found from its list', () => {
  for (const folder of ['docs/decisions', 'docs/connectors']) {
    const list = readText(`${folder}/README.md`)
    const pages = listFiles(`${folder}/*.md`).filter((file) => path.posix.basename(file) !== 'README.md')
    assertNone(
      pages.filter((file) => !list.includes(`(${path.posix.basename(file)})`)),
      `not listed in ${folder}/README.md`,
    )
  }
})

test('links between pages lead somewhere', () => {
  const pages = written.filter((file) => file.endsWith('.md'))
  const everything = new Set(listFiles('**/*', '.ci/*', '.oxlintrc.json'))
  const broken = pages.flatMap((page) =>
    [...readText(page).matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)(?:#[^)]*)?\)/g)]
      .map(([, target]) => path.posix.join(path.posix.dirname(page), target ?? '').replace(/\/$/, ''))
      .filter((target) => !everything.has(target))
      .map((target) => `${page} → ${target}`),
  )
  assertNone(broken, 'broken links')
})

function inRoom(file: string): string {
  return file.slice('src/'.length)
}
