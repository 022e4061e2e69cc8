import { spawn } from 'node:child_process'
import { existsSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { cacheDirectory, run } from './java-jars.ts'

/**
 * Independent readers of Hudi tables: hudi-rs through its Python packages. Release 0.4.0 lists files without asking the
 * timeline whether their instant completed: it shows what a careless writer leaves behind.
 */
export type HudiRelease = '0.5.0' | '0.4.0'

export interface ReadHudiOptions {
  readonly release?: HudiRelease
  /** Column whose distinct values are counted. */
  readonly key?: string
  /** Column to add up. */
  readonly sum?: string
  /** Columns whose values are wanted, as text. For small tables. */
  readonly columns?: readonly string[]
  /** Only rows of commits after this instant. */
  readonly since?: string
  /** The table as it was at this instant. */
  readonly asOf?: string
}

export interface HudiContent {
  readonly rows: number
  /** Arrow types by column; absent when the table has no rows. */
  readonly schema?: Readonly<Record<string, string>>
  readonly distinctKeys?: number
  readonly sum?: string | null
  readonly columns?: Readonly<Record<string, readonly (string | null)[]>>
}

/** Reads a table (an absolute path or `s3://…`) in a process of its own. */
export async function readHudi(tablePath: string, options: ReadHudiOptions = {}): Promise<HudiContent> {
  const args = [path.join(import.meta.dirname, 'read_hudi.py'), tablePath]
  for (const [flag, value] of [
    ['--key', options.key],
    ['--sum', options.sum],
    ['--columns', options.columns?.join()],
    ['--since', options.since],
    ['--as-of', options.asOf],
  ]) {
    if (flag !== undefined && value !== undefined) args.push(flag, value)
  }
  return JSON.parse(await runReader(hudiPython(options.release ?? '0.5.0'), args)) as HudiContent
}

/** The Python of a virtual environment with that release, made once in the cache directory. */
export function hudiPython(release: HudiRelease): string {
  const directory = path.join(cacheDirectory(), `hudi-rs-${release}`)
  const python = path.join(directory, 'bin', 'python')
  if (existsSync(path.join(directory, '.done'))) return python
  // A directory of our own until it is complete: another process may be making the same one.
  const partial = `${directory}.${process.pid}`
  rmSync(partial, { recursive: true, force: true })
  run('python3', ['-m', 'venv', partial])
  const pip = ['-m', 'pip', 'install', '-q', '--disable-pip-version-check']
  run(path.join(partial, 'bin', 'python'), [...pip, `hudi==${release}`, 'pyarrow'])
  writeFileSync(path.join(partial, '.done'), '')
  rmSync(directory, { recursive: true, force: true })
  renameSync(partial, directory)
  return python
}

function runReader(python: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(python, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    let out = ''
    let said = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-4000)))
    child.on('error', reject)
    child.on('close', (code) => {
      if (code === 0) resolve(out)
      else reject(new Error(`hudi-rs failed (exit ${code}): ${said.trim()}`))
    })
  })
}
