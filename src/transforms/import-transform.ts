import { realpath } from 'node:fs/promises'
import { sep } from 'node:path'
import { pathToFileURL } from 'node:url'
import { MillraceError } from '../core/errors.ts'
import type { ModuleWork } from './step.ts'
import type { TransformFunction } from './define-transform.ts'
import type { Row } from './row-lines.ts'

/**
 * The default export of the user's module. The file has to lie in the pipeline's directory, also when symbolic links
 * are followed: nothing but a file of the user's own project is ever imported because a pipeline names it.
 */
export async function importTransform(step: ModuleWork, baseDirectory: string): Promise<TransformFunction<Row, Row>> {
  const refuse = (why: string, cause?: unknown): MillraceError =>
    new MillraceError(`importing the module of step ${step.id}, ${step.file}: ${why}`, {
      code: 'CONFIG',
      retry: 'halt',
      cause,
      detail: { step: step.id, file: step.file },
    })
  const file = await realpath(step.file).catch((cause: unknown) => {
    throw refuse('there is no such file', cause)
  })
  const directory = await realpath(baseDirectory)
  if (!file.startsWith(directory.endsWith(sep) ? directory : directory + sep)) {
    throw refuse(`it leads out of the pipeline's directory ${baseDirectory}; move it there`)
  }
  const module = (await import(pathToFileURL(file).href).catch((cause: unknown) => {
    throw refuse('it cannot be loaded', cause)
  })) as { readonly default?: unknown }
  if (typeof module.default !== 'function') {
    throw refuse('its default export has to be a function `(row, context) => row | row[] | null`')
  }
  return module.default as TransformFunction<Row, Row>
}
