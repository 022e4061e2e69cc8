import { build, type Metafile, type Plugin } from 'esbuild'
import { globSync, readFileSync } from 'node:fs'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { repository } from '../testing/stage.ts'

/** The files that something names: the program, its threads and connectors; what a package's users import. */
const PROGRAM = ['src/cli/main.ts', 'src/runtime/lane-thread.ts', 'src/storage/log-thread.ts']
const CONNECTORS = 'src/connectors/*/index.ts'
export const LIBRARY: readonly string[] = [
  'src/index.ts',
  'src/kafka/index.ts',
  'src/load/starrocks.ts',
  'src/load/doris.ts',
]

/** Packages of many small files, which every thread would load one by one. All others stay where npm puts them. */
const TAKEN_IN: ReadonlySet<string> = new Set(['@duckdb/node-api', 'commander', 'yaml', 'zod'])

/**
 * Writes the program, and with it `library`, into a directory: few files instead of hundreds, and code that several
 * of them need in one place, so that it exists once in a thread. Files that are as they should be are not touched:
 * a program may be running from them.
 */
export async function bundle(directory: string, library: readonly string[] = []): Promise<void> {
  const { outputFiles, metafile } = await build({
    absWorkingDir: repository,
    entryPoints: [...PROGRAM, ...globSync(CONNECTORS, { cwd: repository }), ...library],
    outbase: 'src',
    outdir: directory,
    // Modules find threads and connectors by `../<room>/<name>`: that has to hold in these files too.
    chunkNames: 'chunks/[name]-[hash]',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'esnext',
    // CommonJS packages ask for what is not taken in.
    banner: {
      js: `import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(import.meta.url)`,
    },
    plugins: [leaveOthersOutside, englishOnly],
    write: false,
    metafile: true,
    logLevel: 'error',
  })
  const written = outputFiles.map(({ path: file, text }) => putFile(file, Buffer.from(withClassNames(text))))
  await Promise.all([...written, putFile(path.join(directory, 'licenses.txt'), Buffer.from(licensesOf(metafile)))])
  const wanted = new Set(outputFiles.map((file) => file.path))
  const left = globSync('{chunks,cli,connectors,runtime,storage}/**/*.js', { cwd: directory })
  const old = left.map((file) => path.join(directory, file)).filter((file) => !wanted.has(file))
  await Promise.all(old.map((file) => rm(file, { force: true })))
}

/** A class that names itself is called `_Name` by esbuild, and users would see that wherever one is printed. */
function withClassNames(code: string): string {
  return code.replaceAll(/^var (\w+) = class _\1 (?:extends [^{]*)?\{/gm, `$& static name = "$1";`)
}

/** Every other package is imported as it was written. */
const leaveOthersOutside: Plugin = {
  name: 'leave others outside',
  setup({ onResolve }) {
    onResolve({ filter: /^[^./]/ }, ({ path: name, kind }) => {
      if (kind === 'entry-point') return undefined
      const owner = name.split('/', name.startsWith('@') ? 2 : 1).join('/')
      return name.startsWith('node:') || TAKEN_IN.has(owner) ? undefined : { path: name, external: true }
    })
  },
}

/** zod's messages in fifty languages would be a third of its code. */
const englishOnly: Plugin = {
  name: 'English only',
  setup({ onLoad }) {
    onLoad({ filter: /[\\/]zod[\\/]v4[\\/]locales[\\/]index\.js$/ }, () => ({
      contents: `export { default as en } from './en.js'`,
    }))
  },
}

/** Whoever passes on code of others passes on their licence with it. */
function licensesOf({ inputs }: Metafile): string {
  const files = Object.keys(inputs)
  const owners = new Set(
    files.flatMap((file) => /^(?:.*\/)?node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(file)?.[1] ?? []),
  )
  const texts = [...owners].sort().map((name) => {
    const [file = ''] = globSync(`node_modules/${name}/LICENSE*`, { cwd: repository })
    return `${name}\n\n${readFileSync(path.join(repository, file), 'utf8').trim()}\n`
  })
  return texts.join(`\n${'-'.repeat(80)}\n\n`)
}

async function putFile(file: string, contents: Uint8Array): Promise<void> {
  const there = await readFile(file).catch(() => undefined)
  if (there?.equals(contents)) return
  await mkdir(path.dirname(file), { recursive: true })
  const made = `${file}.${process.pid}`
  await writeFile(made, contents)
  await rename(made, file)
}
