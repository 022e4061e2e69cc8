import { realpath, stat } from 'node:fs/promises'
import { isAbsolute, relative, resolve } from 'node:path'

/**
 * The file of a `module:` transform, which lanes will import. It has to lie in the pipeline's directory, also after
 * symbolic links are followed: a pipeline file must not reach code that its reviewers do not see beside it.
 */
export async function resolveModule(
  baseDirectory: string,
  module: string,
): Promise<{ readonly file: string } | { readonly problem: string }> {
  if (isAbsolute(module) || /^[a-z][a-z0-9+.-]*:/i.test(module)) {
    return { problem: 'expected a path relative to the pipeline file' }
  }
  if (!/\.[cm]?[jt]s$/.test(module)) return { problem: 'expected a .ts or .js file' }
  const wanted = resolve(baseDirectory, module)
  if (!isInside(baseDirectory, wanted)) return { problem: 'the file lies outside of the pipeline’s directory' }
  try {
    const [base, file] = await Promise.all([realpath(baseDirectory), realpath(wanted)])
    if (!isInside(base, file)) return { problem: 'a symbolic link leads outside of the pipeline’s directory' }
    return (await stat(file)).isFile() ? { file } : { problem: 'this is not a file' }
  } catch {
    return { problem: 'there is no such file' }
  }
}

function isInside(directory: string, file: string): boolean {
  const way = relative(directory, file)
  return (
    way !== '' && way !== '..' && !way.startsWith(`..${process.platform === 'win32' ? '\\' : '/'}`) && !isAbsolute(way)
  )
}
