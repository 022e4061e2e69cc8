import { glob, stat } from 'node:fs/promises'
import { isAbsolute, join, relative, resolve, sep } from 'node:path'

/**
 * Absolute paths of the files that `path` means, sorted: the file itself, the files below a directory, or those that a
 * glob matches. Files and directories whose names begin with `.` or `_` are left out unless `path` names them, because
 * writers keep unfinished work there (`_temporary`, `.millrace`).
 */
export async function findFiles(path: string, baseDirectory: string): Promise<string[]> {
  const full = resolve(baseDirectory, path)
  const kind = await kindOf(full)
  if (kind === 'file') return [full]
  if (kind === 'absent' && !hasMagic(path)) return []
  const pattern =
    kind === 'directory'
      ? join(escapeGlob(full), '**/*')
      : isAbsolute(path)
        ? path
        : join(escapeGlob(resolve(baseDirectory)), path)
  const shown = new Set(full.split(sep))
  const found: string[] = []
  for await (const match of glob(pattern)) {
    const file = resolve(match)
    if (isHidden(file, shown)) continue
    if ((await kindOf(file)) === 'file') found.push(file)
  }
  return found.sort()
}

/** The name of a split: relative to the pipeline's directory where possible, so that a directory may be moved whole. */
export function splitName(file: string, baseDirectory: string): string {
  const name = relative(resolve(baseDirectory), file)
  return name.startsWith('..') || isAbsolute(name) ? file : name.split(sep).join('/')
}

export function hasMagic(path: string): boolean {
  return /[*?[\]{}]/.test(path)
}

function escapeGlob(path: string): string {
  return path.replace(/[*?[\]{}!()\\]/g, '[$&]')
}

function isHidden(file: string, shown: ReadonlySet<string>): boolean {
  return file.split(sep).some((part) => (part.startsWith('.') || part.startsWith('_')) && !shown.has(part))
}

async function kindOf(path: string): Promise<'file' | 'directory' | 'other' | 'absent'> {
  try {
    const found = await stat(path)
    return found.isFile() ? 'file' : found.isDirectory() ? 'directory' : 'other'
  } catch (thrown) {
    if (thrown instanceof Error && 'code' in thrown && (thrown.code === 'ENOENT' || thrown.code === 'ENOTDIR')) {
      return 'absent'
    }
    throw thrown
  }
}
