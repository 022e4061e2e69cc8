import { MillraceError } from '../../core/errors.ts'
import type { SinkStep } from '../../plan/plan.ts'

type Named = Pick<SinkStep, 'id'>

/** What is given with `--scratch` is emptied: nothing that holds something is taken, nor what the pipeline writes to. */
export function notEmpty({ id }: Named, place: string): MillraceError {
  return refused(id, place, 'it is not empty, and it is emptied after each run: give an empty one')
}

export function ofTheUser({ id }: Named, place: string): MillraceError {
  return refused(id, place, 'it is where the pipeline itself writes: give another one of the same form')
}

function refused(id: string, place: string, why: string): MillraceError {
  return new MillraceError(`--scratch ${id}=${place} is refused: ${why}`, { code: 'CONFIG' })
}
