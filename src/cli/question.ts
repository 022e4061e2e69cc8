import { createInterface } from 'node:readline/promises'
import type { Output } from './output.ts'

/** Asks the person at the terminal; `undefined` when there is none, an empty text for Ctrl-C and Ctrl-D. */
export async function askPerson(output: Output, question: string): Promise<string | undefined> {
  if (!output.isTerminal || !process.stdin.isTTY) return undefined
  using lines = createInterface({ input: process.stdin, output: process.stdout })
  const ended = new Promise<string>((resolve) => {
    lines.on('SIGINT', () => resolve(''))
    lines.on('close', () => resolve(''))
  })
  return (await Promise.race([lines.question(question), ended])).trim()
}
