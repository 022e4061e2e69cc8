import { CONNECTOR_NAMES, loadConnector } from '../connectors/registry.ts'
import type { ConnectorLookup } from '../plan/check-definition.ts'
import { storeOpener } from '../storage/open-store.ts'
import { loadPipeline, type LoadedPipeline, type LoadOptions } from '../plan/load-pipeline.ts'

/** The connectors that pipelines may use. */
export const CONNECTORS: ConnectorLookup = { names: CONNECTOR_NAMES, load: loadConnector }

/** A pipeline file with the registry's connectors and this process's environment. */
export function openPipeline(
  file: string,
  secrets: LoadOptions['secrets'],
  rewrite?: LoadOptions['rewrite'],
): Promise<LoadedPipeline> {
  const environment = process.env
  return loadPipeline(file, {
    connectors: CONNECTORS,
    environment,
    secrets,
    storeOpener,
    ...(rewrite !== undefined && { rewrite }),
  })
}
