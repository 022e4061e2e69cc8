/** The quickstart as a newcomer runs it, with fewer rows: the real program, real kills, an independent reader. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { globSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { DuckDBInstance } from '@duckdb/node-api'
import { readHudi } from '../../scripts/services/hudi-readers.ts'
import { repository } from '../tidy/source-tree.ts'

const ROWS = 200_000

/** Ends the quickstart should it hang; never reached when all is well. */
const PATIENCE_MS = 240_000

async function quickstart(...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
  const program = path.join(repository, 'scripts', 'quickstart.ts')
  const child = spawn(process.execPath, [program, ...args], {
    cwd: repository,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: PATIENCE_MS,
    killSignal: 'SIGTERM',
  })
  let [out, err] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text))
  const [code] = await once(child, 'close')
  return { code: code as number | null, out, err }
}

async function changeOneValue(parquet: string): Promise<void> {
  const instance = await DuckDBInstance.create(':memory:')
  const database = await instance.connect()
  await database.run(`CREATE TABLE rows AS SELECT * FROM read_parquet('${parquet}', hive_partitioning = false)`)
  await database.run('UPDATE rows SET kilometres = kilometres + 1 WHERE rowid = 7')
  await database.run(`COPY rows TO '${parquet}' (FORMAT parquet)`)
  database.closeSync()
  instance.closeSync()
}

test('the quickstart kills its job, and proves that nothing is lost or doubled', async () => {
  await using made = await mkdtempDisposable(path.join(tmpdir(), 'millrace-quickstart-'))
  const directory = path.join(made.path, 'here')
  const table = path.join(directory, 'table')

  const first = await quickstart('--rows', String(ROWS), '--directory', directory)
  assert.equal(first.code, 0, first.out + first.err)
  const kills = first.out.match(/^ +✗ killed .*→ /gm) ?? []
  assert.ok(kills.length >= 6, first.out)
  assert.match(first.out, new RegExp(`✔ 200,000 rows, killed ${kills.length} times, 0 lost, 0 duplicated`))
  assert.match(first.out, /→ .*began again at the first row/)
  assert.match(first.out, /^origin +flights +late_percent/m)
  assert.doesNotMatch(first.out, /\u001b/, 'no colours and no cursor movements in a pipe')
  assert.equal((await readHudi(table)).rows, ROWS, 'as hudi-rs sees the table')

  const again = await quickstart('--verify-only', '--directory', directory)
  assert.equal(again.code, 0, again.out + again.err)

  const [file = ''] = globSync('*/*.parquet', { cwd: table })
  const kept = readFileSync(path.join(table, file))
  rmSync(path.join(table, file))
  const missing = await quickstart('--verify-only', '--directory', directory)
  assert.equal(missing.code, 77, missing.out + missing.err)
  assert.match(missing.out, /✖ 200,000 rows, [\d,]*[1-9][\d,]* lost, 0 duplicated/)
  assert.ok(missing.out.includes(`missing ${file}`), missing.out)

  // One value of one row, in a table that has the right number of rows.
  writeFileSync(path.join(table, file), kept)
  await changeOneValue(path.join(table, file))
  const changed = await quickstart('--verify-only', '--directory', directory)
  assert.equal(changed.code, 77, changed.out + changed.err)
  assert.match(changed.out, /✖ 200,000 rows, 1 lost, 1 duplicated/)

  // A commit that names the same file once more doubles its rows, and readers would see them so.
  writeFileSync(path.join(table, file), kept)
  const [commit = ''] = globSync('.hoodie/*.commit', { cwd: table })
  writeFileSync(path.join(table, '.hoodie/29991231235959999.commit'), readFileSync(path.join(table, commit)))
  const doubled = await quickstart('--verify-only', '--directory', directory)
  assert.equal(doubled.code, 77, doubled.out + doubled.err)
  assert.match(doubled.out, /✖ 200,000 rows, 0 lost, [\d,]*[1-9][\d,]* duplicated/)
})

test('the quickstart leaves directories alone that it did not make', async () => {
  await using made = await mkdtempDisposable(path.join(tmpdir(), 'millrace-quickstart-'))
  writeFileSync(path.join(made.path, 'table'), 'mine')
  const { code, err } = await quickstart('--directory', made.path)
  assert.equal(code, 1)
  assert.match(err, /holds other files\n→ Name an empty directory/)
  assert.equal(readFileSync(path.join(made.path, 'table'), 'utf8'), 'mine')
})

test('the quickstart refuses options that it does not have, and says which it has', async () => {
  const unknown = await quickstart('--row', '5')
  assert.equal(unknown.code, 1)
  assert.match(unknown.err, /'--row'.*\n→ See `npm start -- --help`/s)
  const rows = await quickstart('--rows', 'many')
  assert.match(rows.err, /--rows many\n→ Name a whole number from 1 to 3,000,000/)
  assert.match((await quickstart('--help')).out, /--verify-only/)
})
