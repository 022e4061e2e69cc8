import { mutate } from './mutate.ts'

// `MILLRACE_MUTANT=<mutant> node --import ./load-mutant.ts x.test.ts`: a test over the mutant's source.
mutate(process.env['MILLRACE_MUTANT'] ?? '')
