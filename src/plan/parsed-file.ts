import type { Finding } from '../core/checkpoint-types.ts'
import type { JsonObject } from '../core/json.ts'

export type Path = readonly (string | number)[]

/** Place in a text file, counted from 1 as editors do. */
export interface TextPosition {
  readonly line: number
  readonly column: number
}

/** A pipeline file as a plain value. Every object in it has no prototype. */
export interface ParsedFile {
  /** Name as the user gave it, for messages. */
  readonly file: string
  /** `undefined` when the file could not be read as one object. */
  readonly value: JsonObject | undefined
  readonly findings: readonly LocatedFinding[]
  /** Where the value of this path stands, or its nearest ancestor; `undefined` for TypeScript definitions. */
  position(path: Path): TextPosition | undefined
}

/** A finding with its place in the pipeline file. */
export interface LocatedFinding extends Finding {
  readonly file: string
  readonly line?: number
  readonly column?: number
}

export function configError(message: string, path: Path, hint?: string): Finding {
  return { severity: 'error', code: 'CONFIG', message, path, ...(hint === undefined ? {} : { hint }) }
}

/** Gives each finding its place. Findings that already have one keep it. */
export function locate(findings: readonly Finding[], parsed: ParsedFile): LocatedFinding[] {
  return findings.map((finding) => {
    const at = parsed.position(finding.path ?? [])
    return { file: parsed.file, ...at, ...finding }
  })
}

/** `sources.clicks.topics[0]`, for messages. */
export function formatPath(path: Path): string {
  return path.map((part, index) => (typeof part === 'number' ? `[${part}]` : index === 0 ? part : `.${part}`)).join('')
}

/** Keys that could reach an object's prototype; refused everywhere in a pipeline file. */
export function isDangerousKey(key: string): boolean {
  return key === '__proto__' || key === 'constructor' || key === 'prototype'
}
