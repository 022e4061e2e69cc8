import { createInterface } from 'node:readline/promises'
import type { Output } from './output.ts'

/** Asks the person at the terminal; `undefined` when there is none. */
export async function askPerson(output: Output, question: string): Promise<string | undefined> {
  if (!output.isTerminal || !process.stdin.isTTY) return undefined
  using lines = createInterface({ input: process.stdin, output: process.stdout })
  return (await lines.question(question)).trim()
}
