import { renderText } from './terminal.ts'

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
}

export interface OutputStreams {
  readonly stdout: Pick<NodeJS.WriteStream, 'write' | 'isTTY'>
  readonly stderr: Pick<NodeJS.WriteStream, 'write' | 'isTTY'>
  readonly environment: Readonly<Record<string, string | undefined>>
}

export function createOutput(isJson: boolean, streams: OutputStreams): Output {
  const { stdout, stderr } = streams
  const out = wantsColour(stdout.isTTY, streams.environment)
  const err = wantsColour(stderr.isTTY, streams.environment)
  return {
    isJson,
    isTerminal: stdout.isTTY === true && !isJson,
    print: (text) => void (isJson || stdout.write(renderText(text, out))),
    warn: (text) => void (isJson || stderr.write(renderText(text, err))),
    json: (value) => void stdout.write(`${escapeJson(JSON.stringify(value))}\n`),
  }
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
