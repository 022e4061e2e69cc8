import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, type Document, type Node, type Pair } from 'yaml'
import type { Json, JsonObject } from '../core/json.ts'
import {
  configError,
  isDangerousKey,
  locate,
  type LocatedFinding,
  type ParsedFile,
  type Path,
  type TextPosition,
} from './parsed-file.ts'
import type { Finding } from '../core/checkpoint-types.ts'
import { ALIASES_MAX, DEPTH_MAX, exceededLimit, FILE_BYTES_MAX, VALUES_MAX } from './yaml-limits.ts'

/**
 * YAML or JSON text as a plain value with a position for every path. Core schema, no merge keys, no custom tags, no
 * duplicate keys, bounded size, depth, aliases and number of values after aliases are put in.
 */
export function parseText(text: string, file: string, syntax: 'yaml' | 'json'): ParsedFile {
  if (Buffer.byteLength(text) > FILE_BYTES_MAX) return refused(file, `is larger than ${FILE_BYTES_MAX} bytes`)
  const exceeded = exceededLimit(text)
  if (exceeded !== undefined) return refused(file, exceeded)
  const lines = new LineCounter()
  const document = parseDocument(text, {
    schema: syntax === 'json' ? 'json' : 'core',
    version: '1.2',
    merge: false,
    resolveKnownTags: false,
    // Checked while converting: the library compares every key with every other.
    uniqueKeys: false,
    intAsBigInt: true,
    prettyErrors: false,
    logLevel: 'error',
    lineCounter: lines,
  })
  const faults = [...document.errors, ...document.warnings]
  if (faults.length > 0) {
    return { file, value: undefined, findings: faultFindings(faults, text, lines, file), position: () => undefined }
  }
  return convert(document, lines, file)
}

function refused(file: string, problem: string): ParsedFile {
  const finding = { ...configError(`the file ${problem}`, [], 'a pipeline file is short text; split it'), file }
  return { file, value: undefined, findings: [finding], position: () => undefined }
}

/** The first fault of each line: those that follow are mostly its consequences. */
function faultFindings(
  faults: readonly { readonly message: string; readonly pos: readonly [number, number] }[],
  text: string,
  lines: LineCounter,
  file: string,
): LocatedFinding[] {
  const found = new Map<number, LocatedFinding>()
  for (const fault of faults) {
    const at = lines.linePos(fault.pos[0])
    if (found.has(at.line) || found.size === 20) continue
    const start = lines.lineStarts[at.line - 1] ?? 0
    const isPlaceholder = text.slice(start, fault.pos[0] + 1).includes('${')
    const hint = isPlaceholder ? 'inside of { } and [ ] put it in quotes: "${NAME}"' : undefined
    const finding = configError(faultMessage(fault.message), [], hint)
    found.set(at.line, { ...finding, file, line: at.line, column: at.col })
  }
  return [...found.values()]
}

/** The library quotes the text at fault, which may be a password; the position says enough. */
function faultMessage(message: string): string {
  if (message.startsWith('Maximum call stack')) return `nested deeper than ${DEPTH_MAX} levels`
  return (message.split(/[:\n]/)[0] ?? message)
    .replace(/ ("|').*$/, '')
    .replace(/ \S{40,}.*$/, '')
    .slice(0, 120)
}

function convert(document: Document.Parsed, lines: LineCounter, file: string): ParsedFile {
  const converter = new Converter(lines)
  const root = document.contents === null ? undefined : converter.value(document.contents, [], 0)
  const value = isJsonObject(root) ? root : undefined
  const findings = converter.findings
  if (value === undefined && findings.length === 0) {
    findings.push(configError('a pipeline file is an object with name, sources and sinks', []))
  }
  const parsed: ParsedFile = {
    file,
    value: findings.length > 0 ? undefined : value,
    findings: [],
    position: (path) => converter.position(path),
  }
  return { ...parsed, findings: locate(findings, parsed) }
}

function isJsonObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Walks the nodes in document order. Aliases are walked again in their place, inside the limits. */
class Converter {
  readonly findings: Finding[] = []
  readonly #positions = new Map<string, TextPosition>()
  readonly #anchors = new Map<string, Node>()
  readonly #lines: LineCounter
  #values = 0
  #aliases = 0

  constructor(lines: LineCounter) {
    this.#lines = lines
  }

  position(path: Path): TextPosition | undefined {
    for (let length = path.length; length > 0; length--) {
      const found = this.#positions.get(JSON.stringify(path.slice(0, length)))
      if (found !== undefined) return found
    }
    return { line: 1, column: 1 }
  }

  value(node: Node | null, path: Path, depth: number): Json {
    if (this.#isOverLimit(path, depth)) return null
    if (node === null) return null
    if (isAlias(node)) {
      const target = this.#anchors.get(node.source)
      if (target === undefined) this.#refuse(`unknown alias`, path)
      else if (++this.#aliases > ALIASES_MAX) this.#refuse(`more than ${ALIASES_MAX} aliases`, path)
      else return this.value(target, path, depth + 1)
      return null
    }
    if ('anchor' in node && typeof node.anchor === 'string') this.#anchors.set(node.anchor, node)
    if (isMap<Node, Node | null>(node)) return this.#object(node.items, path, depth)
    if (isSeq<Node>(node)) {
      return node.items.map((item, index) => {
        const at = [...path, index]
        this.#remember(at, item)
        return this.value(item, at, depth + 1)
      })
    }
    return isScalar(node) ? this.#scalar(node.value, path) : null
  }

  #object(items: readonly Pair<Node, Node | null>[], path: Path, depth: number): Json {
    const result: Record<string, Json> = Object.create(null)
    for (const { key: keyNode, value } of items) {
      const key = this.#key(keyNode, path)
      if (key === undefined) continue
      const at = [...path, key]
      if (key in result) this.#refuseAt('the same key twice', at, keyNode)
      else if (isDangerousKey(key)) this.#refuseAt('this key is not allowed', at, keyNode)
      else if (key === '<<') this.#refuseAt('merge keys are not supported', at, keyNode)
      else {
        this.#remember(at, keyNode)
        result[key] = this.value(value, at, depth + 1)
      }
    }
    return result
  }

  #key(node: Node, path: Path): string | undefined {
    if (isScalar(node)) return node.source ?? String(node.value)
    this.#refuse('a key must be plain text', path)
    return undefined
  }

  #scalar(value: unknown, path: Path): Json {
    if (typeof value === 'bigint') {
      if (Number.isSafeInteger(Number(value))) return Number(value)
      this.#refuse('this number would lose digits', path, 'put it in quotes')
      return null
    }
    if (typeof value === 'number' && !Number.isFinite(value)) {
      this.#refuse('expected a finite number', path)
      return null
    }
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value
    if (value !== null) this.#refuse('expected text, a number, true or false', path)
    return null
  }

  #isOverLimit(path: Path, depth: number): boolean {
    if (depth > DEPTH_MAX) this.#refuse(`nested deeper than ${DEPTH_MAX} levels`, path)
    else if (++this.#values === VALUES_MAX + 1) this.#refuse(`more than ${VALUES_MAX} values`, path)
    return depth > DEPTH_MAX || this.#values > VALUES_MAX
  }

  #remember(path: Path, node: Node | null): void {
    const offset = node?.range?.[0]
    if (offset === undefined) return
    const at = this.#lines.linePos(offset)
    this.#positions.set(JSON.stringify(path), { line: at.line, column: at.col })
  }

  #refuseAt(message: string, path: Path, node: Node): void {
    const key = JSON.stringify(path)
    const before = this.#positions.get(key)
    this.#remember(path, node)
    const at = this.#positions.get(key)
    if (before !== undefined) this.#positions.set(key, before)
    this.#push({ ...configError(`${String(path.at(-1))}: ${message}`, path), ...at })
  }

  #refuse(message: string, path: Path, hint?: string): void {
    this.#push(configError(message, path, hint))
  }

  #push(finding: Finding): void {
    if (this.findings.length < 50) this.findings.push(finding)
  }
}
