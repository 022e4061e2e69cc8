import { readFile, stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Json } from '../core/json.ts'
import { configError, isDangerousKey, type ParsedFile } from './parsed-file.ts'
import { parseText } from './parse-yaml.ts'
import { DEPTH_MAX, FILE_BYTES_MAX } from './yaml-limits.ts'

/**
 * Reads a pipeline file: YAML, JSON, or a TypeScript or JavaScript module that exports the same value as its default.
 * Never throws for what the file says: the result's findings tell.
 */
export async function parseFile(file: string): Promise<ParsedFile> {
  const problem = await fileProblem(file)
  if (problem !== undefined) return refused(file, problem)
  if (/\.[cm]?[jt]s$/.test(file)) return parseModule(file)
  if (!/\.(ya?ml|json)$/.test(file)) return refused(file, 'a pipeline file ends in .yaml, .yml, .json, .ts or .js')
  return parseText(await readFile(file, 'utf8'), file, file.endsWith('.json') ? 'json' : 'yaml')
}

async function fileProblem(file: string): Promise<string | undefined> {
  if (file.includes('\0')) return 'the file name contains a NUL character'
  try {
    const found = await stat(file)
    if (!found.isFile()) return 'this is not a file'
    return found.size > FILE_BYTES_MAX ? `the file is larger than ${FILE_BYTES_MAX} bytes` : undefined
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
    return code === 'ENOENT' ? 'there is no such file' : `the file cannot be read (${code})`
  }
}

async function parseModule(file: string): Promise<ParsedFile> {
  let loaded: { readonly default?: unknown }
  try {
    loaded = await import(pathToFileURL(resolve(file)).href)
  } catch (error) {
    return refused(file, `the module cannot be imported: ${error instanceof Error ? error.message : String(error)}`)
  }
  return parseValue(loaded.default, file)
}

/** A definition that is already a value. Only plain data passes; positions do not exist. */
export function parseValue(value: unknown, file: string): ParsedFile {
  const problems: string[] = []
  const result = plain(value, '', 0, problems)
  if (problems.length === 0 && typeof result === 'object' && result !== null && !Array.isArray(result)) {
    return { file, value: result as { readonly [key: string]: Json }, findings: [], position: () => undefined }
  }
  return refused(file, problems[0] ?? 'expected `export default definePipeline({ … })`')
}

function plain(value: unknown, at: string, depth: number, problems: string[]): Json {
  if (depth > DEPTH_MAX) problems.push(`${at}: nested deeper than ${DEPTH_MAX} levels`)
  else if (value === null || typeof value === 'string' || typeof value === 'boolean') return value
  else if (typeof value === 'number' && Number.isFinite(value)) return value
  else if (Array.isArray(value)) return value.map((item, index) => plain(item, `${at}[${index}]`, depth + 1, problems))
  else if (typeof value === 'object') {
    const result: Record<string, Json> = Object.create(null)
    for (const [key, item] of Object.entries(value)) {
      if (isDangerousKey(key)) problems.push(`${at}.${key}: this key is not allowed`)
      else if (item !== undefined) result[key] = plain(item, `${at}.${key}`, depth + 1, problems)
    }
    return result
  } else problems.push(`${at === '' ? 'the default export' : at}: expected plain data, found ${typeof value}`)
  return null
}

function refused(file: string, message: string): ParsedFile {
  return { file, value: undefined, findings: [{ ...configError(message, []), file }], position: () => undefined }
}
