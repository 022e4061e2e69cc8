import { globSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

export const repository: string = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..')

/** Text files of the repository that people write, relative and with forward slashes. */
export function listFiles(...patterns: string[]): string[] {
  return globSync(patterns, { cwd: repository, exclude: ['**/node_modules/**', '**/dist/**', 'test/fixtures/**'] })
    .map((file) => file.replaceAll(path.sep, '/'))
    .sort()
}

export function readText(file: string): string {
  return readFileSync(path.join(repository, file), 'utf8')
}

export function readJson<T>(file: string): T {
  return JSON.parse(readText(file)) as T
}

export function lineCount(file: string): number {
  return readText(file).trimEnd().split('\n').length
}

/** Files of ours that a source file imports, statically or lazily, relative to the repository. */
export function importsOf(file: string): string[] {
  const text = readText(file)
  const found = text.matchAll(
    /^(?:import|export)\b[^'"`;]*?\bfrom '(\.[^']+)'|^import '(\.[^']+)'|\bimport\('(\.[^']+)'\)/gms,
  )
  return [...found].map(([, from, bare, lazy]) => path.posix.join(path.posix.dirname(file), from ?? bare ?? lazy ?? ''))
}

/** Lines of a file that match, as `file:line  text`. */
export function findLines(file: string, pattern: RegExp): string[] {
  return readText(file)
    .split('\n')
    .flatMap((line, at) => (pattern.test(line) ? [`${file}:${at + 1}  ${line.trim().slice(0, 120)}`] : []))
}
