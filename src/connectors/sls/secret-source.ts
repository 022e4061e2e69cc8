import { execFile } from 'node:child_process'
import { readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import type { ZodType } from 'zod'
import { MillraceError } from '../../core/errors.ts'
import { rereadSecret, type SecretInput } from '../../core/options.ts'
import { Secret } from '../../core/secret.ts'

/** A secret that may be read more than once: text, or a reference that is followed each time. */
export type SecretSource =
  | { readonly text: Secret }
  | { readonly file: string }
  | { readonly command: readonly string[] }

const COMMAND_TIMEOUT_MS = 10_000
const SECRET_BYTES_MAX = 64 * 1024

/** An option for a secret whose references are kept, so that a rotated key is found without a restart. */
export function secretSource(): ZodType<SecretSource, SecretInput> {
  return rereadSecret((input): SecretSource => {
    if (typeof input === 'string') return { text: new Secret(input) }
    if ('file' in input) return { file: input.file }
    return { command: typeof input.exec === 'string' ? ['/bin/sh', '-c', input.exec] : input.exec }
  })
}

/**
 * What the secret is now. One line break at its end is not part of it.
 *
 * @throws MillraceError `AUTH` when a reference cannot be followed; what a file or a command gave is never in a message.
 */
export async function readSecret(source: SecretSource, baseDirectory: string): Promise<Secret> {
  if ('text' in source) return source.text
  try {
    const text =
      'file' in source
        ? await readPrivate(path.resolve(baseDirectory, source.file))
        : await run(source.command, baseDirectory)
    return new Secret(text.replace(/\r?\n$/, ''))
  } catch (error) {
    if (error instanceof MillraceError) throw error
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
    const what = 'file' in source ? `the secret file ${source.file} cannot be read` : 'the command of a secret failed'
    throw new MillraceError(`reading the SLS credentials: ${what} (${code})`, { code: 'AUTH', retry: 'halt' })
  }
}

async function readPrivate(file: string): Promise<string> {
  const { mode, size } = await stat(file)
  if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
    throw new MillraceError(`the secret file ${file} can be read by other users: chmod 600 ${file}`, {
      code: 'AUTH',
      retry: 'halt',
    })
  }
  if (size > SECRET_BYTES_MAX) throw new MillraceError(`the secret file ${file} is too large`, { code: 'AUTH' })
  return await readFile(file, 'utf8')
}

async function run([program = '', ...args]: readonly string[], cwd: string): Promise<string> {
  const limits = { cwd, timeout: COMMAND_TIMEOUT_MS, maxBuffer: SECRET_BYTES_MAX }
  return (await promisify(execFile)(program, args, limits)).stdout
}
