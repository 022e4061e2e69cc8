import type { Connector } from '../core/connector.ts'

/** Every connector: the name of its folder, whose `index.ts` exports `connector`. Adding one is one line here. */
const NAMES: readonly string[] = [
  'blackhole',
  'doris',
  'duckdb',
  'file',
  'files',
  'http',
  'hudi',
  'iceberg',
  'kafka',
  'mysql',
  'mysql-cdc',
  'postgres',
  'postgres-cdc',
  'sls',
  'starrocks',
  'tidb',
]

/** Sources run by type stripping, the published package as compiled files. */
const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js'

export const CONNECTOR_NAMES: readonly string[] = NAMES.toSorted()

/**
 * Module addresses by name, as data for the lanes, which import connectors themselves. No other module is ever imported
 * as a connector, whatever a pipeline file says. The addresses begin with the room, for the package's chunks lie in another.
 */
export const CONNECTOR_MODULES: Readonly<Record<string, string>> = Object.freeze(
  Object.fromEntries(
    NAMES.map((name) => [name, new URL(`../connectors/${name}/index${extension}`, import.meta.url).href]),
  ),
)

/** Imports a connector, or `undefined` when there is none of this name. */
export async function loadConnector(name: string): Promise<Connector | undefined> {
  if (!NAMES.includes(name)) return undefined
  const module = (await import(CONNECTOR_MODULES[name] ?? '')) as { readonly connector: Connector }
  return module.connector
}
