import type { z, ZodType } from 'zod'
import type { Finding } from '../core/checkpoint-types.ts'
import type { Json } from '../core/json.ts'
import { configError, isDangerousKey, type Path } from './parsed-file.ts'
import { suggestion } from './suggest.ts'
import { knownKeys } from './option-schema.ts'

export type Checked<O> = { readonly value: O; readonly input: Json } | { readonly findings: readonly Finding[] }

/**
 * Checks a value against a zod schema; all mistakes come back at once, each with its path in the file. Texts that came
 * from the environment may stand for numbers and booleans (`input` is the value with these put in).
 */
export function checkValue<O>(
  schema: ZodType<O>,
  input: Json,
  at: Path,
  fromEnvironment: ReadonlySet<string>,
): Checked<O> {
  const first = schema.safeParse(input)
  if (first.success) return { value: first.data, input }
  const readAgain = coerceTexts(input, first.error.issues, at, fromEnvironment)
  const second = readAgain === undefined ? first : schema.safeParse(readAgain)
  if (second.success) return { value: second.data, input: readAgain ?? input }
  const place = { input: readAgain ?? input, at, base: [], schema }
  return { findings: second.error.issues.flatMap((issue) => issueFindings(issue, place)) }
}

function coerceTexts(
  input: Json,
  issues: readonly z.core.$ZodIssue[],
  at: Path,
  fromEnvironment: ReadonlySet<string>,
): Json | undefined {
  let changed: Json | undefined
  for (const issue of issues) {
    const path = toPath(issue.path)
    if (issue.code !== 'invalid_type' || !fromEnvironment.has(JSON.stringify([...at, ...path]))) continue
    const value = readScalar(valueAt(input, path), issue.expected)
    if (value !== undefined) changed = withValue(changed ?? input, path, value)
  }
  return changed
}

function readScalar(text: Json | undefined, expected: string): Json | undefined {
  if (typeof text !== 'string') return undefined
  if (expected === 'boolean') return text === 'true' ? true : text === 'false' ? false : undefined
  const isNumber = (expected === 'number' || expected === 'int') && /^-?\d+(\.\d+)?$/.test(text)
  return isNumber && (text.includes('.') || Number.isSafeInteger(Number(text))) ? Number(text) : undefined
}

/** What is the same for all issues of one check. `base` leads from the options to the part that an issue is about. */
interface IssuePlace {
  readonly input: Json
  readonly at: Path
  readonly base: Path
  readonly schema: ZodType
}

function issueFindings(issue: z.core.$ZodIssue, place: IssuePlace): Finding[] {
  const inside = [...place.base, ...toPath(issue.path)]
  const path = [...place.at, ...inside]
  const value = valueAt(place.input, inside)
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(place.schema, inside)
    return issue.keys.map((key) =>
      configError(`unknown option ${JSON.stringify(key)}`, [...path, key], suggestion(key, known)),
    )
  }
  if (issue.code === 'invalid_union' && value !== undefined && issue.errors.length > 0) {
    const branch = likeliestBranch(issue.errors, value)
    const isOfThisValue = branch.every((inner) => inner.path.length === 0 && inner.code === 'invalid_type')
    return isOfThisValue
      ? [configError(unionMessage(issue), path)]
      : branch.flatMap((inner) => issueFindings(inner, { ...place, base: inside }))
  }
  if (issue.code === 'invalid_key') {
    const inner = issue.issues[0]?.message ?? 'is not a good name'
    return [configError(`name ${JSON.stringify(inside.at(-1))}: ${inner}`, path)]
  }
  return [configError(issueMessage(issue, value), path)]
}

function unionMessage(issue: z.core.$ZodIssueInvalidUnion): string {
  if (!isDefaultMessage(issue.message)) return issue.message
  const types = issue.errors.flat().flatMap((inner) => (inner.code === 'invalid_type' ? [inner.expected] : []))
  return `expected ${[...new Set(types)].map(typeWord).join(' or ')}`
}

/** Of the readings of a union, the one that got furthest: objects are compared with objects. */
function likeliestBranch(
  errors: readonly (readonly z.core.$ZodIssue[])[],
  value: Json | undefined,
): readonly z.core.$ZodIssue[] {
  const isObject = typeof value === 'object' && value !== null
  const fits = (branch: readonly z.core.$ZodIssue[]): boolean =>
    !branch.some((issue) => issue.path.length === 0 && issue.code === 'invalid_type')
  return errors.find((branch) => fits(branch) && (isObject || branch.length > 0)) ?? errors[0] ?? []
}

function issueMessage(issue: z.core.$ZodIssue, value: Json | undefined): string {
  const isMissing = ['invalid_type', 'invalid_value', 'invalid_union'].includes(issue.code)
  if (value === undefined && isMissing) return 'is required'
  if (!isDefaultMessage(issue.message)) return issue.message
  switch (issue.code) {
    case 'invalid_type':
      return `expected ${typeWord(issue.expected)}, found ${kindOf(value)}`
    case 'invalid_value':
      return `expected ${issue.values.map((one) => String(one)).join(', ')}`
    case 'too_small':
      return issue.origin === 'array' || issue.origin === 'string'
        ? 'must not be empty'
        : `must be at least ${issue.minimum}`
    case 'too_big':
      return `must be at most ${issue.maximum}`
    default:
      return `is not valid: ${issue.message}`
  }
}

function isDefaultMessage(message: string): boolean {
  return /^(Invalid|Too (small|big)|Unrecognized)/.test(message)
}

const TYPE_WORDS: Readonly<Record<string, string>> = {
  string: 'text',
  array: 'a list',
  object: 'an object',
  record: 'an object',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  null: 'null',
}

function typeWord(type: string): string {
  return TYPE_WORDS[type] ?? type
}

function kindOf(value: Json | undefined): string {
  if (value === undefined) return 'nothing'
  if (value === null) return 'nothing (null)'
  return typeWord(Array.isArray(value) ? 'array' : typeof value)
}

function toPath(path: readonly PropertyKey[]): (string | number)[] {
  return path.map((part) => (typeof part === 'number' ? part : String(part)))
}

export function valueAt(value: Json, path: Path): Json | undefined {
  let at: Json | undefined = value
  for (const part of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, part)) return undefined
    at = (at as Readonly<Record<string | number, Json>>)[part]
  }
  return at
}

/** A copy with the value at `path` replaced. */
export function withValue(value: Json, path: Path, replacement: Json): Json {
  const [first, ...rest] = path
  if (first === undefined || typeof value !== 'object' || value === null) return replacement
  if (Array.isArray(value)) {
    return value.map((item: Json, index) => (index === first ? withValue(item, rest, replacement) : item))
  }
  const result: Record<string, Json> = Object.create(null)
  for (const [key, item] of Object.entries(value)) {
    if (!isDangerousKey(key)) result[key] = key === first ? withValue(item, rest, replacement) : item
  }
  return result
}
