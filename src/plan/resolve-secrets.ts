import { execFile } from 'node:child_process'
import { readFile, stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { promisify } from 'node:util'
import type { ZodType } from 'zod'
import type { Finding } from '../core/checkpoint-types.ts'
import type { Json, JsonObject } from '../core/json.ts'
import { valueAt, withValue } from './issues.ts'
import { secretPaths } from './option-schema.ts'
import { configError, type Path } from './parsed-file.ts'

const COMMAND_TIMEOUT_MS = 10_000
const SECRET_BYTES_MAX = 64 * 1024

/**
 * Reads the secrets of a component that are given by reference, once, and puts their text into the options. Files that
 * others may read are refused; commands run in the pipeline's directory. One line break at the end is not part of it.
 * References that the connector follows itself are tried and stay.
 */
export async function resolveSecrets(
  schema: ZodType,
  options: JsonObject,
  at: Path,
  baseDirectory: string,
): Promise<{ readonly options: JsonObject; readonly findings: readonly Finding[] }> {
  const findings: Finding[] = []
  let resolved: Json = options
  const kept = new Set(secretPaths(schema, options, 'reread').map((path) => path.join('\n')))
  for (const path of secretPaths(schema, options)) {
    const reference = valueAt(options, path)
    if (typeof reference !== 'object' || reference === null || Array.isArray(reference)) continue
    const found = await read(reference as JsonObject, baseDirectory)
    if ('text' in found) {
      if (!kept.has(path.join('\n'))) resolved = withValue(resolved, path, found.text.replace(/\r?\n$/, ''))
    } else findings.push(configError(found.problem, [...at, ...path], found.hint))
  }
  return { options: resolved as JsonObject, findings }
}

type Found = { readonly text: string } | { readonly problem: string; readonly hint: string }

async function read(reference: JsonObject, baseDirectory: string): Promise<Found> {
  const { file, exec } = reference
  if (typeof file === 'string') return readSecretFile(resolve(baseDirectory, file))
  return runCommand(typeof exec === 'string' ? ['/bin/sh', '-c', exec] : (exec as readonly string[]), baseDirectory)
}

async function readSecretFile(file: string): Promise<Found> {
  try {
    const { mode, size } = await stat(file)
    if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
      return { problem: `the secret file ${file} can be read by other users`, hint: `chmod 600 ${file}` }
    }
    if (size > SECRET_BYTES_MAX) return { problem: `the secret file ${file} is too large`, hint: 'name another file' }
    return { text: await readFile(file, 'utf8') }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
    return { problem: `the secret file ${file} cannot be read (${code})`, hint: 'correct the path or its rights' }
  }
}

/** What the command printed is never part of a message: it may be the secret. */
async function runCommand(command: readonly string[], cwd: string): Promise<Found> {
  const [program = '', ...args] = command
  try {
    const done = await promisify(execFile)(program, args, {
      cwd,
      timeout: COMMAND_TIMEOUT_MS,
      maxBuffer: SECRET_BYTES_MAX,
    })
    return { text: done.stdout }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'timeout'
    return { problem: `the command of this secret failed (${code})`, hint: 'run it in a shell to see why' }
  }
}
