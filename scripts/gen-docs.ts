/**
 * `npm run generate`: writes what is made from the source: docs/errors.md, the exit codes in docs/guarantees.md, one page
 * for each connector, and the import rules in the linter's configuration. `--check` compares and writes nothing.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { lintOverrides } from '../test/tidy/import-rules.ts'
import { connectorPages } from './generate/connector-pages.ts'
import { kafkaEnvironmentTable, loadEnvironmentTable } from './generate/environment-table.ts'
import { errorPage, exitCodeTable } from './generate/error-pages.ts'
import { repository } from './testing/stage.ts'

const isCheck = process.argv.includes('--check')

/** Every generated file with its text, by path relative to the repository. */
async function generated(): Promise<Map<string, string>> {
  const files = new Map<string, string>()
  files.set('docs/errors.md', errorPage())
  files.set('docs/guarantees.md', between(read('docs/guarantees.md'), 'exit codes', exitCodeTable()))
  files.set('docs/kafka-toolkit.md', between(read('docs/kafka-toolkit.md'), 'environment', kafkaEnvironmentTable()))
  files.set('docs/load-clients.md', between(read('docs/load-clients.md'), 'environment', loadEnvironmentTable()))
  files.set('.oxlintrc.json', lintConfiguration())
  for (const [name, page] of await connectorPages(repository)) files.set(`docs/connectors/${name}`, page)
  return files
}

/** The configuration with its import rules replaced; overrides for other rules stay as they are written. */
function lintConfiguration(): string {
  const configuration = JSON.parse(read('.oxlintrc.json')) as { overrides: { rules: Record<string, unknown> }[] }
  const others = configuration.overrides.filter(({ rules }) => !('no-restricted-imports' in rules))
  return JSON.stringify({ ...configuration, overrides: [...others, ...lintOverrides()] }, undefined, 2)
}

/** `text` with everything between the two comments that name `part` replaced. */
function between(text: string, part: string, content: string): string {
  const [open, close] = [`<!-- begin ${part} -->`, `<!-- end ${part} -->`]
  const [before, rest] = text.split(open)
  const after = rest?.split(close)[1]
  if (before === undefined || after === undefined) throw new Error(`a page lacks ${open} … ${close}`)
  return `${before}${open}\n\n${content}\n\n${close}${after}`
}

function read(file: string): string {
  return readFileSync(path.join(repository, file), 'utf8')
}

/** The text as oxfmt would write it, so that generated files pass the format check. */
function format(file: string, text: string): string {
  const formatter = path.join(repository, 'node_modules', '.bin', 'oxfmt')
  const done = spawnSync(formatter, [`--stdin-filepath=${file}`], { cwd: repository, input: text, encoding: 'utf8' })
  if (done.status !== 0) throw new Error(`oxfmt refused ${file}: ${done.stderr}`)
  return done.stdout
}

const wanted = await generated()
const stale: string[] = []
for (const [file, text] of wanted) {
  const formatted = format(file, text)
  const target = path.join(repository, file)
  if (existsSync(target) && readFileSync(target, 'utf8') === formatted) continue
  stale.push(file)
  if (isCheck) continue
  mkdirSync(path.dirname(target), { recursive: true })
  writeFileSync(target, formatted)
}
for (const file of globSync('docs/connectors/*.md', { cwd: repository })) {
  if (wanted.has(file.replaceAll(path.sep, '/'))) continue
  stale.push(`${file} (its connector is gone)`)
  if (!isCheck) rmSync(path.join(repository, file))
}
if (stale.length > 0) {
  process.stdout.write(`${stale.map((file) => `${isCheck ? 'stale' : 'wrote'}: ${file}`).join('\n')}\n`)
  if (isCheck) process.stdout.write('→ npm run generate\n')
}
process.exitCode = isCheck && stale.length > 0 ? 1 : 0
