import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { cacheDirectory, requireJava, run } from './java-jars.ts'

/** Hudi's own implementation, in Spark 3.5: 400 MB of downloads, for `npm run test:full` only. */
export type SparkBundle = '0.15.0' | '1.2.0'

/** See `hudi_spark.py`, which carries them out. Tables are absolute paths. */
export type SparkOperation =
  | {
      readonly read: string
      readonly since?: string
      readonly asOf?: string
      readonly columns?: readonly string[]
      readonly order?: string
    }
  | {
      readonly write: string
      readonly name: string
      readonly operation: string
      readonly select: string
      readonly options?: Readonly<Record<string, string>>
      /** With Hudi's default settings, which upgrade the table or add a metadata table. */
      readonly careless?: boolean
    }
  | { readonly sql: string }

export interface SparkResult {
  readonly rows?: number
  readonly distinctKeys?: number
  readonly sum?: string | null
  /** Spark's types by column. */
  readonly schema?: Readonly<Record<string, string>>
  readonly columns?: Readonly<Record<string, readonly (string | null)[]>>
  readonly table?: readonly (readonly (string | null)[])[]
  readonly error?: string
}

/** Carries out operations in one Spark session, in order. A failed one has an `error`; the others go on. */
export async function runSpark(
  bundle: SparkBundle,
  operations: readonly SparkOperation[],
): Promise<readonly SparkResult[]> {
  const directory = mkdtempSync(path.join(tmpdir(), 'millrace-spark-'))
  try {
    const file = path.join(directory, 'operations.json')
    writeFileSync(file, JSON.stringify(operations))
    const program = path.join(import.meta.dirname, 'hudi_spark.py')
    const out = await runPython([program, bundleJar(bundle), file], directory)
    return out
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as SparkResult)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

function sparkPython(): string {
  const directory = path.join(cacheDirectory(), 'pyspark-3.5')
  if (!existsSync(path.join(directory, '.done'))) {
    const partial = `${directory}.${process.pid}`
    rmSync(partial, { recursive: true, force: true })
    run('python3', ['-m', 'venv', partial])
    const pip = ['-m', 'pip', 'install', '-q', '--disable-pip-version-check']
    run(path.join(partial, 'bin', 'python'), [...pip, 'pyspark==3.5.*'])
    writeFileSync(path.join(partial, '.done'), '')
    rmSync(directory, { recursive: true, force: true })
    renameSync(partial, directory)
  }
  return path.join(directory, 'bin', 'python')
}

function bundleJar(bundle: SparkBundle): string {
  const directory = path.join(cacheDirectory(), 'hudi-bundles')
  const name = `hudi-spark3.5-bundle_2.12`
  const jar = path.join(directory, `${name}-${bundle}.jar`)
  if (!existsSync(jar)) {
    requireJava()
    const artifact = `-Dartifact=org.apache.hudi:${name}:${bundle}`
    run('mvn', ['-q', '-B', 'dependency:copy', artifact, `-DoutputDirectory=${directory}`])
  }
  return jar
}

function runPython(args: readonly string[], cwd: string): Promise<string> {
  const python = sparkPython()
  return new Promise((resolve, reject) => {
    const env = { ...process.env, TZ: 'UTC', PYSPARK_PYTHON: python }
    const child = spawn(python, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] })
    let out = ''
    let said = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-4000)))
    child.on('error', reject)
    child.on('close', (code) => {
      if (code === 0) resolve(out)
      else reject(new Error(`Spark failed (exit ${code}): ${said.trim()}`))
    })
  })
}
