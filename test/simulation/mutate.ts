import { readFileSync } from 'node:fs'
import { registerHooks, stripTypeScriptTypes } from 'node:module'
import { fileURLToPath } from 'node:url'
import { MUTANTS, type Mutant } from './mutants.ts'

/** Replaces the mutant's piece in what this process loads from now on. Throws where the piece does not stand exactly once. */
export function mutate(name: string): Mutant {
  const mutant = MUTANTS.find((one) => one.name === name)
  if (mutant === undefined) throw new Error(`there is no mutant ${name}`)
  const target = new URL(`../../src/${mutant.file}`, import.meta.url)
  const source = readFileSync(target, 'utf8')
  const places = source.split(mutant.find).length - 1
  if (places !== 1) throw new Error(`mutant ${name}: its piece stands ${places} times in ${fileURLToPath(target)}`)
  const mutated = source.replace(mutant.find, () => mutant.replace)
  registerHooks({
    load: (url, context, next) =>
      url === target.href
        ? { format: 'module', source: stripTypeScriptTypes(mutated), shortCircuit: true }
        : next(url, context),
  })
  return mutant
}
