import { runProgram } from '../program.ts'

/** What a verb prints with `--json`, run in this process; `code` is its exit code. */
export async function answerOf<T extends object>(...argv: string[]): Promise<T & { readonly code: number }> {
  let out = ''
  const code = await runProgram([...argv, '--json'], {
    version: '1.2.3',
    environment: {},
    stdout: { isTTY: false, write: (text: string | Uint8Array) => ((out += String(text)), true) },
    stderr: { isTTY: false, write: () => true },
    signals: () => ({ stop: new AbortController().signal, kill: new AbortController().signal }),
  })
  return { ...(JSON.parse(out.trim().split('\n').at(-1) ?? '') as T), code }
}
