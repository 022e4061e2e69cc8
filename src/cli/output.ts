import { jsonText } from '../core/json.ts'
import { LiveBlock } from './live-block.ts'
import { clip, renderText } from './terminal.ts'

/** Where a verb writes while it runs. What is for people goes nowhere under `--json`. */
export interface Output {
  readonly isJson: boolean
  /** The stream for people is a terminal. */
  readonly isTerminal: boolean
  /** Text for people on standard output. */
  print(text: string): void
  /** Text for people on standard error. */
  warn(text: string): void
  /** One line of JSON on standard output, for machines. */
  json(value: unknown): void
  /** On a terminal: lines that stay below everything that is printed, and are replaced by the next ones. */
  live(lines: readonly string[]): void
}

export interface OutputStreams {
  readonly stdout: Pick<NodeJS.WriteStream, 'write' | 'isTTY'> & { readonly columns?: number }
  readonly stderr: Pick<NodeJS.WriteStream, 'write' | 'isTTY'>
  readonly environment: Readonly<Record<string, string | undefined>>
}

export function createOutput(isJson: boolean, streams: OutputStreams): Output {
  const { stdout, stderr } = streams
  const out = wantsColour(stdout.isTTY, streams.environment)
  const err = wantsColour(stderr.isTTY, streams.environment)
  const isTerminal = stdout.isTTY === true && !isJson
  const block = new LiveBlock((text) => void stdout.write(text))
  return {
    isJson,
    isTerminal,
    print: (text) => void (isJson || block.above(() => stdout.write(renderText(text, out)))),
    warn: (text) => void (isJson || block.above(() => stderr.write(renderText(text, err)))),
    live: (lines) => {
      if (isTerminal) block.show(lines.map((line) => renderText(clip(line, widthOf(stdout) - 1), out)))
    },
    json: (value) => void stdout.write(`${escapeJson(jsonText(value))}\n`),
  }
}

/** A terminal without a size says 0. */
function widthOf({ columns }: OutputStreams['stdout']): number {
  return columns === undefined || columns === 0 ? 80 : columns
}

/** Colours only on a terminal, never with NO_COLOR (no-color.org), always with FORCE_COLOR. */
function wantsColour(isTerminal: boolean | undefined, environment: OutputStreams['environment']): boolean {
  const { NO_COLOR, FORCE_COLOR, TERM } = environment
  if (NO_COLOR !== undefined && NO_COLOR !== '') return false
  if (FORCE_COLOR !== undefined && FORCE_COLOR !== '' && FORCE_COLOR !== '0') return true
  return isTerminal === true && TERM !== 'dumb'
}

/** `JSON.stringify` leaves some characters as they are that a terminal may obey: DEL, C1 controls, turned text. */
function escapeJson(text: string): string {
  return text.replace(/[\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}
