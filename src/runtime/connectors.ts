import type { Connector, SourceConnector } from '../core/connector.ts'
import { MillraceError } from '../core/errors.ts'
import type { KeyedAsk, KeyedReader } from '../core/keyed-reader.ts'
import type { JsonObject } from '../core/json.ts'
import type { Sink } from '../core/sink.ts'
import type { Source } from '../core/source.ts'

/** Module addresses of connectors by name. The runtime gets them as data, so that it knows no connector itself. */
export type ConnectorModules = Readonly<Record<string, string>>

export async function openSource(modules: ConnectorModules, name: string, options: JsonObject): Promise<Source> {
  const connector = (await importConnector(modules, name)).source
  if (connector === undefined) throw notThere(name, 'source')
  return create(connector, options)
}

/** The same for rows of given keys. */
export async function openKeyed(
  modules: ConnectorModules,
  name: string,
  options: JsonObject,
  ask: KeyedAsk,
): Promise<KeyedReader> {
  const connector = (await importConnector(modules, name)).source
  if (connector?.openKeyed === undefined) throw notThere(name, 'source for rows of given keys')
  return connector.openKeyed(connector.options.parse(options), ask)
}

export async function openSink(modules: ConnectorModules, name: string, options: JsonObject): Promise<Sink> {
  const connector = (await importConnector(modules, name)).sink
  if (connector === undefined) throw notThere(name, 'sink')
  return create(connector, options)
}

function create<T>(
  connector: { options: SourceConnector['options']; create(options: unknown): Promise<T> },
  options: JsonObject,
): Promise<T> {
  return connector.create(connector.options.parse(options))
}

const imported = new Map<string, Promise<{ readonly connector: Connector }>>()

async function importConnector(modules: ConnectorModules, name: string): Promise<Connector> {
  const url = modules[name]
  if (url === undefined) throw notThere(name, 'connector')
  const module = imported.get(url) ?? (import(url) as Promise<{ readonly connector: Connector }>)
  imported.set(url, module)
  return (await module).connector
}

function notThere(name: string, what: string): MillraceError {
  return new MillraceError(`there is no ${what} "${name}"`, { code: 'CONFIG' })
}
