import type { Finding } from '../core/checkpoint-types.ts'
import { lettersOf } from '../core/dead-letters.ts'
import type { Draft, DraftTransform } from './check-definition.ts'
import { deadLetterRoutes } from './dead-letter-drafts.ts'
import { joinRests } from './join.ts'
import { configError, type Path } from './parsed-file.ts'
import { suggestion } from './suggest.ts'

/** An output that others may read: a source, a transform, or a branch of a route (`orders.paid`). */
export interface Port {
  readonly name: string
  /** Id of the source or transform that it belongs to. */
  readonly owner: string
  readonly kind: 'source' | 'query' | 'module' | 'keyed' | 'letters'
}

export interface Graph {
  readonly ports: ReadonlyMap<string, Port>
  /** Each stands after those it reads from. */
  readonly transforms: readonly DraftTransform[]
}

/** Resolves every `from`. Transforms that go round in a circle are left out of the graph. */
export function buildGraph(draft: Draft): { readonly graph: Graph; readonly findings: readonly Finding[] } {
  const ports = collectPorts(draft)
  const findings = [...idFindings(draft)]
  const readers = [
    ...draft.transforms.flatMap((transform) => {
      const at = ['transforms', transform.id]
      if (transform.kind !== 'join') return [{ at, from: transform.from }]
      const [left = '', right = ''] = transform.from
      return [
        { at, from: [left] },
        { at: [...at, 'join'], from: [right], word: 'with' },
      ]
    }),
    ...draft.sinks.map((sink) => ({ at: ['sinks', sink.id], from: sink.from })),
  ]
  for (const reader of readers) findings.push(...fromFindings(reader, ports, draft))
  const transforms = inOrder(draft.transforms, ports, findings)
  // While parts are broken or names unknown, who reads what is not certain.
  if (findings.length === 0 && draft.broken.length === 0) {
    findings.push(...unreadFindings(ports, new Set(readers.flatMap((reader) => reader.from)), draft))
  }
  return { graph: { ports, transforms }, findings }
}

function collectPorts(draft: Draft): Map<string, Port> {
  const ports = new Map<string, Port>()
  const add = (name: string, owner: string, kind: Port['kind']): void => void ports.set(name, { name, owner, kind })
  for (const { id } of draft.sources) add(id, id, 'source')
  for (const { to } of deadLetterRoutes(draft).values()) add(lettersOf(to), lettersOf(to), 'letters')
  for (const transform of draft.transforms) {
    if (transform.kind === 'aggregate' || transform.kind === 'deduplicate') {
      add(transform.id, transform.id, 'keyed')
      if (mayBeLate(transform)) add(lateOf(transform.id), transform.id, 'keyed')
    } else if (transform.kind === 'join') {
      add(transform.id, transform.id, 'keyed')
      for (const { name } of joinRests(transform)) add(name, transform.id, 'keyed')
    } else if (transform.kind === 'lookup' || transform.kind === 'explode') add(transform.id, transform.id, 'keyed')
    else if (transform.kind !== 'route')
      add(transform.id, transform.id, transform.kind === 'module' ? 'module' : 'query')
    else
      for (const branch of [...Object.keys(transform.route), 'default'])
        add(`${transform.id}.${branch}`, transform.id, 'query')
  }
  return ports
}

/** Rows may come too late for it. */
export function mayBeLate(transform: DraftTransform): boolean {
  if (transform.kind === 'aggregate') return transform.aggregate.window !== undefined
  return transform.kind === 'deduplicate' && transform.deduplicate.watermark !== undefined
}

/** Where rows go that come too late for a window. */
export function lateOf(id: string): string {
  return `${id}.late`
}

function* idFindings(draft: Draft): Generator<Finding> {
  const seen = new Map<string, string>()
  const parts = [
    ...draft.sources.map((source) => ['sources', source.id] as const),
    ...draft.transforms.map((transform) => ['transforms', transform.id] as const),
    ...draft.sinks.map((sink) => ['sinks', sink.id] as const),
  ]
  for (const [section, id] of parts) {
    const other = seen.get(id.toLowerCase())
    if (other !== undefined)
      yield configError(`the id ${id} is already used in ${other}`, [section, id], 'ids are unique')
    if (id.toLowerCase() === 'input')
      yield configError('the id "input" is reserved: it names a list of inputs in SQL', [section, id])
    seen.set(id.toLowerCase(), section)
  }
  for (const transform of draft.transforms) {
    if (transform.kind === 'route' && Object.hasOwn(transform.route, 'default')) {
      yield configError('the branch "default" is made by itself', ['transforms', transform.id, 'route', 'default'])
    }
  }
}

function fromFindings(
  { from, at, word = 'from' }: { readonly from: readonly string[]; readonly at: Path; readonly word?: string },
  ports: ReadonlyMap<string, Port>,
  draft: Draft,
): Finding[] {
  const findings: Finding[] = []
  for (const [index, name] of from.entries()) {
    const path = from.length > 1 ? [...at, word, index] : [...at, word]
    if (from.indexOf(name) !== index) findings.push(configError(`${JSON.stringify(name)} is listed twice`, path))
    if (ports.has(name) || draft.broken.includes(name.split('.')[0] ?? name)) continue
    const branches = [...ports.keys()].filter((port) => port.startsWith(`${name}.`))
    if (branches.length > 0) {
      findings.push(
        configError(`${JSON.stringify(name)} is a route: read one of its branches`, path, branches.join(', ')),
      )
    } else if (name.endsWith('.errors')) {
      findings.push(configError(`the output ${JSON.stringify(name)} is not available yet`, path))
    } else if (draft.sinks.some((sink) => sink.id === name)) {
      findings.push(configError(`${JSON.stringify(name)} is a sink; nothing can read from it`, path))
    } else {
      findings.push(configError(`unknown id ${JSON.stringify(name)}`, path, suggestion(name, [...ports.keys()])))
    }
  }
  return findings
}

function inOrder(
  transforms: readonly DraftTransform[],
  ports: ReadonlyMap<string, Port>,
  findings: Finding[],
): DraftTransform[] {
  const isTransform = new Set(transforms.map((transform) => transform.id))
  const done = new Set<string>()
  const ordered: DraftTransform[] = []
  let open = [...transforms]
  while (open.length > 0) {
    const isReady = (transform: DraftTransform): boolean =>
      transform.from.every((name) => {
        const owner = ports.get(name)?.owner
        return owner === undefined || !isTransform.has(owner) || done.has(owner)
      })
    const ready = open.filter(isReady)
    if (ready.length === 0) {
      const names = open.map((transform) => transform.id).join(', ')
      for (const { id } of open)
        findings.push(configError(`reads from itself in a circle (${names})`, ['transforms', id, 'from']))
      return ordered
    }
    for (const transform of ready) done.add(transform.id)
    ordered.push(...ready)
    open = open.filter((transform) => !done.has(transform.id))
  }
  return ordered
}

/** Rows that nobody reads would be dropped without a word. */
function unreadFindings(ports: ReadonlyMap<string, Port>, read: ReadonlySet<string>, draft: Draft): Finding[] {
  const findings: Finding[] = []
  for (const port of ports.values()) {
    // Where the sink is missing, that is said already.
    if (read.has(port.name) || port.kind === 'letters') continue
    const section = port.kind === 'source' ? 'sources' : 'transforms'
    const isBranch = port.name !== port.owner
    const isNamed = isBranch && port.kind === 'query' && !port.name.endsWith('.default')
    const branch = ['transforms', port.owner, 'route', port.name.slice(port.owner.length + 1)]
    const path = isNamed ? branch : [section, port.owner]
    const hint = isBranch
      ? `to drop these rows, send them to a sink with connector: blackhole`
      : 'remove it, or read it'
    findings.push(configError(`nothing reads ${JSON.stringify(port.name)}: its rows would be lost`, path, hint))
  }
  return draft.sinks.length > 0 ? findings : []
}

/** The sources whose rows come to a transform, by whatever way. */
export function sourcesOf(id: string, { ports, transforms }: Graph): string[] {
  const found = new Set<string>()
  const open = [id]
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    const transform = transforms.find((one) => one.id === at)
    for (const name of transform?.from ?? []) {
      const port = ports.get(name)
      if (port?.kind === 'source') found.add(port.owner)
      else if (port !== undefined) open.push(port.owner)
    }
  }
  return [...found]
}
