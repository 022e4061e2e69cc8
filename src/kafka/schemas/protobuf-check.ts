import type protobuf from 'protobufjs'

type Problem = string | undefined

/** What of a value its message does not allow, without the value; the library itself would make something of nearly everything. */
export function problemOf(type: protobuf.Type, value: unknown, path = ''): Problem {
  if (typeof value !== 'object' || value === null) return `${path || type.name} is no object`
  for (const [name, part] of Object.entries(value)) {
    const field = type.fields[name]
    const at = path === '' ? name : `${path}.${name}`
    if (field === undefined) return `${at} is not in the schema`
    const problem = part === undefined || part === null ? undefined : fieldProblem(field.resolve(), part, at)
    if (problem !== undefined) return problem
  }
  return undefined
}

function fieldProblem(field: protobuf.Field, value: unknown, at: string): Problem {
  if (!field.repeated && !field.map) return valueProblem(field, value, at)
  if (field.repeated && !Array.isArray(value)) return `${at} is no array`
  if (typeof value !== 'object' || value === null) return `${at} is no object`
  for (const part of Object.values(value)) {
    const problem = valueProblem(field, part, at)
    if (problem !== undefined) return problem
  }
  return undefined
}

function valueProblem({ type, resolvedType }: protobuf.Field, value: unknown, at: string): Problem {
  if (resolvedType !== null && 'fields' in resolvedType) return problemOf(resolvedType, value, at)
  const isRight =
    resolvedType === null
      ? isScalar(type, value)
      : typeof value === 'number' || (typeof value === 'string' && value in resolvedType.values)
  return isRight ? undefined : `${at} is no ${type}`
}

function isScalar(type: string, value: unknown): boolean {
  if (type === 'string') return typeof value === 'string'
  if (type === 'bool') return typeof value === 'boolean'
  if (type === 'bytes') return value instanceof Uint8Array
  if (type === 'float' || type === 'double') return typeof value === 'number'
  const isUnsigned = type.startsWith('u') || type.startsWith('fixed')
  const bits = type.endsWith('64') ? 64 : 32
  if (!Number.isSafeInteger(value) && (typeof value !== 'bigint' || bits === 32)) return false
  const exact = BigInt(value as number | bigint)
  return (isUnsigned ? BigInt.asUintN(bits, exact) : BigInt.asIntN(bits, exact)) === exact
}
