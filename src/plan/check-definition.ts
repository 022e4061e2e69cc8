import type { ZodType } from 'zod'
import type { Finding } from '../core/checkpoint-types.ts'
import { lettersOf, type DeadLetterRoute } from '../core/dead-letters.ts'
import type { Connector, SinkConnector, SourceConnector } from '../core/connector.ts'
import { MillraceError } from '../core/errors.ts'
import type { Json, JsonObject } from '../core/json.ts'
import type { Schema } from '../core/schema.ts'
import { formatColumnType, parseColumnType } from '../dataplane/types.ts'
import { deadLetterTargets } from './dead-letter-drafts.ts'
import {
  pipelineSchema,
  sinkFrame,
  sourceFrame,
  transformSchemas,
  type PipelineDefinition,
  type Transform,
  type TransformKind,
} from './definition.ts'
import { checkValue } from './issues.ts'
import { knownKeys } from './option-schema.ts'
import { configError, type Path } from './parsed-file.ts'
import { closesForeignBracket, expressionsOf } from './queries.ts'
import { suggestion } from './suggest.ts'

/** Finds connectors by name; the composition root hands in the registry. */
export interface ConnectorLookup {
  readonly names: readonly string[]
  load(name: string): Promise<Connector | undefined>
}

export interface DraftSource {
  readonly id: string
  readonly connectorName: string
  readonly connector: SourceConnector
  /** Options as text, as they go into the plan. */
  readonly options: JsonObject
  readonly checked: unknown
  readonly schema: Schema | undefined
  readonly deadLetter?: DeadLetterRoute | undefined
}

export interface DraftSink {
  readonly id: string
  readonly connectorName: string
  readonly connector: SinkConnector
  readonly options: JsonObject
  readonly checked: unknown
  readonly from: readonly string[]
  readonly deadLetter?: DeadLetterRoute | undefined
}

export type DraftTransform = Transform & {
  readonly id: string
  readonly declared: Schema | undefined
  /** The table of a `lookup`. */
  readonly lookedUp?: DraftSource | undefined
}

/** Every part checked by itself; how the parts fit together is decided later. */
export interface Draft {
  readonly definition: PipelineDefinition
  readonly sources: readonly DraftSource[]
  readonly transforms: readonly DraftTransform[]
  readonly sinks: readonly DraftSink[]
  /** Ids of parts that have mistakes of their own: who reads from them is not to blame. */
  readonly broken: readonly string[]
}

/** Checks names, options and types of every part. The draft holds the parts that are right. */
export async function checkDefinition(
  value: JsonObject,
  fromEnvironment: ReadonlySet<string>,
  connectors: ConnectorLookup,
): Promise<{ readonly draft: Draft; readonly findings: readonly Finding[] }> {
  const checker = new DefinitionChecker(value, fromEnvironment, connectors)
  const draft = await checker.run()
  return { draft, findings: checker.findings }
}

class DefinitionChecker {
  readonly findings: Finding[] = []
  readonly #broken: string[] = []
  readonly #value: JsonObject
  readonly #fromEnvironment: ReadonlySet<string>
  readonly #connectors: ConnectorLookup
  readonly #targets: ReadonlySet<string>

  constructor(value: JsonObject, fromEnvironment: ReadonlySet<string>, connectors: ConnectorLookup) {
    this.#value = value
    this.#fromEnvironment = fromEnvironment
    this.#connectors = connectors
    this.#targets = deadLetterTargets(value)
  }

  async run(): Promise<Draft> {
    const checked = checkValue(pipelineSchema, this.#value, [], this.#fromEnvironment)
    if ('findings' in checked) this.findings.push(...checked.findings)
    const sources = await this.#each('sources', (id, component) => this.#source(id, component))
    const transforms = await this.#each('transforms', (id, component) => this.#transform(id, component))
    const sinks = await this.#each('sinks', (id, component) => this.#sink(id, component))
    if (sources.length === 0) this.#refuseEmpty('sources')
    if (sinks.length === 0) this.#refuseEmpty('sinks')
    const definition = 'value' in checked ? checked.value : pipelineSchema.parse(STAND_IN)
    return { definition, sources, transforms, sinks, broken: this.#broken }
  }

  #refuseEmpty(section: 'sources' | 'sinks'): void {
    const written = this.#value[section]
    if (typeof written === 'object' && written !== null && Object.keys(written).length === 0) {
      this.findings.push(configError('must name at least one', [section]))
    }
  }

  async #each<T>(
    section: 'sources' | 'transforms' | 'sinks',
    check: (id: string, component: JsonObject) => T | undefined | Promise<T | undefined>,
  ): Promise<T[]> {
    const components = this.#value[section]
    if (typeof components !== 'object' || components === null || Array.isArray(components)) return []
    const found: T[] = []
    for (const [id, component] of Object.entries(components as JsonObject)) {
      if (typeof component !== 'object' || component === null || Array.isArray(component)) {
        this.findings.push(configError('expected an object', [section, id]))
        this.#broken.push(id)
        continue
      }
      const checked = await check(id, component as JsonObject)
      if (checked === undefined) this.#broken.push(id)
      else found.push(checked)
    }
    return found
  }

  async #source(id: string, component: JsonObject, at: Path = ['sources', id]): Promise<DraftSource | undefined> {
    const connector = await this.#connector(component, at)
    const options = connector?.source?.options
    const { frame, rest } = this.#split(
      component,
      ['connector', 'schema', 'deadLetter'],
      options === undefined ? [] : knownKeys(options),
    )
    const checked = checkValue(sourceFrame, frame, at, this.#fromEnvironment)
    if ('findings' in checked) this.findings.push(...checked.findings)
    const schema = 'value' in checked ? this.#schema(checked.value.schema, at) : undefined
    if (connector === undefined) return undefined
    if (connector.source === undefined) return this.#wrongSide(connector, 'source', at)
    const own = this.#options(connector.source, rest, at)
    if (!('value' in checked) || own === undefined) return undefined
    const { deadLetter } = checked.value
    return { id, connectorName: connector.name, connector: connector.source, ...own, schema, deadLetter }
  }

  async #sink(id: string, component: JsonObject): Promise<DraftSink | undefined> {
    const at = ['sinks', id]
    const connector = await this.#connector(component, at)
    const options = connector?.sink?.options
    const { frame, rest } = this.#split(
      this.#withLetters(id, component, at),
      ['connector', 'from', 'deadLetter'],
      options === undefined ? [] : knownKeys(options),
    )
    const checked = checkValue(sinkFrame, frame, at, this.#fromEnvironment)
    if ('findings' in checked) this.findings.push(...checked.findings)
    if (connector === undefined) return undefined
    if (connector.sink === undefined) return this.#wrongSide(connector, 'sink', at)
    const own = this.#options(connector.sink, rest, at)
    if (!('value' in checked) || own === undefined) return undefined
    const { from, deadLetter } = checked.value
    return { id, connectorName: connector.name, connector: connector.sink, ...own, from, deadLetter }
  }

  async #transform(id: string, component: JsonObject): Promise<DraftTransform | undefined> {
    const at = ['transforms', id]
    const kinds = Object.keys(transformSchemas) as TransformKind[]
    const found = kinds.filter((kind) => Object.hasOwn(component, kind))
    const [kind] = found
    if (kind === undefined || found.length > 1) {
      const common = ['from', 'schema', 'deadLetter']
      const stray = Object.keys(component).find((key) => !common.includes(key)) ?? ''
      const hint = kind === undefined && stray !== '' ? suggestion(stray, kinds) : undefined
      this.findings.push(configError(`expected exactly one of ${kinds.join(', ')}`, at, hint))
      return undefined
    }
    const checked = checkValue(transformSchemas[kind] as ZodType<object>, component, at, this.#fromEnvironment)
    if ('findings' in checked) {
      this.findings.push(...checked.findings)
      return undefined
    }
    const transform = { kind, ...checked.value } as Transform
    if (this.#hasForeignBracket(transform, at)) return undefined
    const declared = transform.kind === 'module' ? this.#schema(transform.schema, at) : undefined
    if (transform.kind !== 'lookup') return { ...transform, id, declared }
    const table = transform.lookup.table as JsonObject
    const lookedUp = await this.#source(id, table, [...at, 'lookup', 'table'])
    return lookedUp === undefined ? undefined : { ...transform, id, declared, lookedUp }
  }

  #hasForeignBracket(transform: Transform, at: Path): boolean {
    const wrong = expressionsOf(transform).filter(([, text]) => closesForeignBracket(text))
    for (const [path] of wrong) {
      this.findings.push(configError('closes a bracket that it did not open', [...at, ...path]))
    }
    return wrong.length > 0
  }

  async #connector(component: JsonObject, at: Path): Promise<Connector | undefined> {
    const name = component['connector']
    if (typeof name !== 'string') return undefined
    const connector = this.#connectors.names.includes(name) ? await this.#connectors.load(name) : undefined
    if (connector === undefined) {
      const hint = suggestion(name, this.#connectors.names)
      this.findings.push(configError(`unknown connector ${JSON.stringify(name)}`, [...at, 'connector'], hint))
    }
    return connector
  }

  #wrongSide(connector: Connector, side: 'source' | 'sink', at: Path): undefined {
    const other = side === 'source' ? 'sink' : 'source'
    this.findings.push(configError(`${connector.name} is only a ${other}, not a ${side}`, [...at, 'connector']))
    return undefined
  }

  /** The engine's keys and the connector's keys of a component. A key may belong to both. */
  #split(
    component: JsonObject,
    engine: readonly string[],
    known: readonly string[],
  ): { frame: JsonObject; rest: JsonObject } {
    const frame: Record<string, Json> = Object.create(null)
    const rest: Record<string, Json> = Object.create(null)
    for (const [key, value] of Object.entries(component)) {
      if (engine.includes(key)) frame[key] = value
      if (!engine.includes(key) || known.includes(key)) rest[key] = value
    }
    return { frame, rest }
  }

  #options(
    side: Pick<SourceConnector, 'options'>,
    options: JsonObject,
    at: Path,
  ): { readonly options: JsonObject; readonly checked: unknown } | undefined {
    const checked = checkValue(side.options, options, at, this.#fromEnvironment)
    const known = knownKeys(side.options)
    const strays = known.length === 0 ? [] : Object.keys(options).filter((key) => !known.includes(key))
    if ('findings' in checked) this.findings.push(...checked.findings)
    const isReported = (key: string): boolean =>
      this.findings.some((finding) => JSON.stringify(finding.path) === JSON.stringify([...at, key]))
    for (const key of strays.filter((stray) => !isReported(stray))) {
      this.findings.push(configError(`unknown option ${JSON.stringify(key)}`, [...at, key], suggestion(key, known)))
    }
    if ('findings' in checked || strays.length > 0) return undefined
    return { options: checked.input as JsonObject, checked: checked.value }
  }

  /** A sink that others send their dead letters to reads these, and nothing else. */
  #withLetters(id: string, component: JsonObject, at: Path): JsonObject {
    if (!this.#targets.has(id)) return component
    if (component['from'] !== undefined) {
      const message = 'takes dead letters, which have columns of their own'
      this.findings.push(configError(message, [...at, 'from'], 'remove `from`, or send the dead letters elsewhere'))
    }
    return { ...component, from: lettersOf(id) }
  }

  #schema(columns: Readonly<Record<string, string>> | undefined, at: Path): Schema | undefined {
    if (columns === undefined) return undefined
    const names = new Set<string>()
    return Object.entries(columns).map(([name, text]) => {
      const path = [...at, 'schema', name]
      if (names.has(name.toLowerCase())) this.findings.push(configError('two columns differ in case only', path))
      names.add(name.toLowerCase())
      const [, written = text, notNull] = /^(.*?)(\s+not\s+null)?\s*$/i.exec(text) ?? []
      return { name, type: this.#type(written, path), nullable: notNull === undefined }
    })
  }

  #type(text: string, path: Path): string {
    try {
      return formatColumnType(parseColumnType(text))
    } catch (error) {
      if (!(error instanceof MillraceError)) throw error
      this.findings.push(configError(`unknown type ${JSON.stringify(text)}`, path, TYPE_HINT))
      return 'varchar'
    }
  }
}

/** In place of a frame with mistakes, so that the parts are checked all the same. */
const STAND_IN = { name: 'unknown', sources: {}, sinks: {} }

const TYPE_HINT =
  'SQL types: bigint, integer, decimal(12,2), double, varchar, boolean, date, time, timestamp(3), timestamptz, uuid, ' +
  'blob, json; lists and structs travel as json'
