/**
 * Which room of `src/` may import which (ARCHITECTURE.md has the reasons). A room is a folder of `src/`; under `clients/`
 * and `connectors/` every folder is a room of its own. The linter holds the same table, generated from this one by
 * `npm run generate`, so that an editor shows a wrong import at once; `tidy.test.ts` resolves every import exactly.
 */
export const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  core: [],
  checkpoint: ['core'],
  dataplane: ['core'],
  clients: ['core'],
  formats: ['core', 'dataplane'],
  transforms: ['core', 'dataplane'],
  plan: ['core', 'dataplane', 'checkpoint'],
  storage: ['core', 'checkpoint', 'clients/s3'],
  connectors: ['core', 'formats', 'dataplane', 'clients'],
  kafka: ['core', 'formats', 'clients/kafka', 'clients/schema-registry'],
  load: ['core', 'clients/stream-load'],
  runtime: ['core', 'checkpoint', 'storage', 'plan', 'dataplane', 'transforms'],
  'flink-sql': ['core', 'plan'],
  server: ['index.ts'],
  'index.ts': ['core', 'plan', 'transforms', 'runtime', 'storage', 'flink-sql'],
  cli: ['*'],
  testkit: ['*'],
}

/** Rooms whose folders are rooms of their own. */
const NESTED: ReadonlySet<string> = new Set(['connectors', 'clients'])

/** What every test may use besides: suites and emulators, and real files where the code under test is handed a store. */
const FOR_TESTS: ReadonlySet<string> = new Set(['testkit', 'storage'])

/** The list of connectors is the one file that names them all; every entry is a lazy import. */
const REGISTRY = 'connectors/registry.ts'

/**
 * Why `from` may not import `to` (both relative to `src/`, with forward slashes), or undefined when it may.
 * Tests may import a little more.
 */
export function importViolation(from: string, to: string): string | undefined {
  const fromRoom = roomOf(from)
  const toRoom = roomOf(to)
  if (fromRoom === toRoom) return siblingViolation(from, to)
  const allowed = MAY_IMPORT[fromRoom]
  if (allowed === undefined) return `${fromRoom} is not a known room: add it to test/tidy/import-rules.ts`
  if (allowed.includes('*')) return toRoom === 'cli' ? `${fromRoom} may not import cli` : undefined
  if (isTest(from) && FOR_TESTS.has(toRoom)) return undefined
  return allowed.some((room) => to === room || to.startsWith(`${room}/`))
    ? undefined
    : `${fromRoom} may import ${allowed.join(', ') || 'nothing of ours'}, not ${toRoom}`
}

/** One connector never imports another, one client family never another. */
function siblingViolation(from: string, to: string): string | undefined {
  const room = roomOf(from)
  if (!NESTED.has(room)) return undefined
  if (from === REGISTRY || to === REGISTRY) return undefined
  const [, own] = from.split('/')
  const [, other] = to.split('/')
  return own === other ? undefined : `${room}/${own} may not import ${room}/${other}`
}

function roomOf(file: string): string {
  return file.split('/')[0] ?? file
}

export function isTest(file: string): boolean {
  return file.endsWith('.test.ts')
}

interface LintOverride {
  readonly files: readonly string[]
  readonly excludeFiles: readonly string[]
  readonly rules: Readonly<Record<string, unknown>>
}

/**
 * The same table as entries of `overrides` in `.oxlintrc.json`. The linter sees only the text of an import, so this is
 * the quick answer in the editor; neighbours inside `connectors/` and `clients/` are left to the tidy test.
 */
export function lintOverrides(): LintOverride[] {
  return Object.entries(MAY_IMPORT)
    .filter(([, allowed]) => !allowed.includes('*'))
    .map(([room, allowed]) => {
      const isFile = room.endsWith('.ts')
      const refused = Object.keys(MAY_IMPORT).filter(
        (other) =>
          other !== room &&
          other !== 'index.ts' &&
          !allowed.some((entry) => entry === other || entry.startsWith(`${other}/`)),
      )
      const up = isFile ? String.raw`\./` : NESTED.has(room) ? String.raw`(\.\./){2,}` : String.raw`(\.\./)+`
      const message = `${room} may import ${allowed.join(', ') || 'nothing of ours'} (test/tidy/import-rules.ts).`
      return {
        files: [isFile ? `src/${room}` : `src/${room}/**/*.ts`],
        excludeFiles: ['**/*.test.ts'],
        rules: {
          'no-restricted-imports': ['error', { patterns: [{ regex: `^${up}(${refused.join('|')})/`, message }] }],
        },
      }
    })
}
