import { cp } from 'node:fs/promises'
import path from 'node:path'
import { bundle } from '../building/bundle.ts'
import { repository, type StageResult } from './stage.ts'

/** Below the repository, so that it finds the packages that are installed there. */
const DIRECTORY = path.join(repository, '.cache', 'program')

/**
 * Bundles the program as the package has it, for the tests that start it thousands of times (`MILLRACE_PROGRAM`): it
 * needs two thirds of what a start from the sources costs.
 */
export async function bundleTestedProgram(): Promise<StageResult> {
  for (const name of ['bin', 'package.json'])
    await cp(path.join(repository, name), path.join(DIRECTORY, name), { recursive: true })
  await bundle(path.join(DIRECTORY, 'dist'))
  process.env['MILLRACE_PROGRAM'] = path.join(DIRECTORY, 'bin', 'millrace')
  return { ok: true, output: path.relative(repository, DIRECTORY) }
}
