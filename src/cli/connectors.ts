import { CONNECTOR_NAMES, loadConnector } from '../connectors/registry.ts'
import type { Connector } from '../core/connector.ts'
import { MillraceError } from '../core/errors.ts'
import { optionTable, type OptionRow } from '../plan/option-table.ts'
import { suggestion } from '../plan/suggest.ts'
import { tableText } from './table.ts'
import { paint } from './terminal.ts'
import type { Verb, VerbResult } from './verb.ts'

export const verb: Verb = {
  examples: ['millrace connectors', 'millrace connectors blackhole', 'millrace connectors --json'],
  define: (command) => void command.argument('[name]', 'show the options of this connector'),
  async run({ args: [name] }) {
    return name === undefined ? listConnectors() : showConnector(name)
  },
}

async function listConnectors(): Promise<VerbResult> {
  const loaded = await Promise.all(CONNECTOR_NAMES.map((name) => loadConnector(name)))
  const connectors = loaded.filter((connector) => connector !== undefined)
  const rows = connectors.map(({ name, summary, source, sink }) => [name, sides(source, sink), summary])
  const result = connectors.map(({ name, summary, source, sink }) => {
    return { name, summary, source: source !== undefined, sink: sink !== undefined }
  })
  return { result, text: tableText([['connector', 'use as', 'what it does'], ...rows]) }
}

function sides(source: unknown, sink: unknown): string {
  return [source === undefined ? '' : 'source', sink === undefined ? '' : 'sink']
    .filter((side) => side !== '')
    .join(', ')
}

async function showConnector(name: string): Promise<VerbResult> {
  const connector = await loadConnector(name)
  if (connector === undefined) {
    const hint = suggestion(name, CONNECTOR_NAMES) ?? '`millrace connectors` lists them'
    throw new MillraceError(`unknown connector ${JSON.stringify(name)}: ${hint}`, { code: 'CONFIG' })
  }
  const source = connector.source === undefined ? undefined : optionTable(connector.source.options)
  const sink = connector.sink === undefined ? undefined : optionTable(connector.sink.options)
  const result = { name, summary: connector.summary, source: source ?? null, sink: sink ?? null }
  return { result: result, text: connectorText(connector, source, sink) }
}

function connectorText(connector: Connector, source: OptionRow[] | undefined, sink: OptionRow[] | undefined): string {
  const parts = [`${paint('bold', connector.name)}: ${connector.summary}\n`]
  if (source !== undefined) parts.push(sideText('source', source))
  if (sink !== undefined) parts.push(sideText('sink', sink))
  return parts.join('\n')
}

function sideText(side: string, options: readonly OptionRow[]): string {
  if (options.length === 0) return `as ${side}: no options\n`
  const rows = options.map((row) => [
    row.name,
    row.type,
    row.isRequired ? 'required' : row.default,
    row.example,
    row.description,
  ])
  return `as ${side}:\n${tableText([['option', 'type', 'default', 'example', 'description'], ...rows])}`
}
