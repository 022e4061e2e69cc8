import { MillraceError } from '../../core/errors.ts'
import type { JsonLines, KeyedAsk, KeyedReader } from '../../core/keyed-reader.ts'
import { fetchAnswer } from './fetch-answer.ts'
import { jsonItems } from './json-items.ts'
import type { HttpSourceOptions } from './options.ts'

/** Requests of a lane under way at a time. */
const REQUESTS = 8

/** Rows by their keys: one GET for each, with the key in the places of the address that have its columns' names in braces. */
export class HttpKeyed implements KeyedReader {
  readonly #options: HttpSourceOptions
  readonly #keys: readonly string[]

  constructor(options: HttpSourceOptions, { keys }: KeyedAsk) {
    const missing = keys.find((name) => !options.url.includes(`{${name}}`))
    if (missing !== undefined) {
      const message = `the address ${options.url} has no place for the key: write {${missing}} where it belongs`
      throw new MillraceError(message, { code: 'CONFIG' })
    }
    this.#options = options
    this.#keys = keys
  }

  async fetch(keys: readonly (readonly string[])[], signal: AbortSignal): Promise<JsonLines> {
    const lines: string[] = []
    const waiting = [...keys]
    const work = async (): Promise<void> => {
      for (let key = waiting.shift(); key !== undefined; key = waiting.shift()) {
        lines.push(...(await this.#rowsOf(key, signal)))
      }
    }
    const failed = (await Promise.allSettled(Array.from({ length: REQUESTS }, work))).find(
      (one) => one.status === 'rejected',
    )
    if (failed !== undefined) throw failed.reason
    const buffer = Buffer.from(lines.map((line) => `${line}\n`).join(''))
    return { buffer, length: buffer.length, rows: lines.length }
  }

  async close(): Promise<void> {}

  async #rowsOf(key: readonly string[], signal: AbortSignal): Promise<string[]> {
    const bytes = await fetchAnswer(this.#options, signal, this.#addressOf(key))
    if (bytes === undefined) return []
    const path = this.#options.rows?.split('.') ?? []
    return [...jsonItems(bytes, path)].map(([start, end]) =>
      bytes.toString('utf8', start, end).replaceAll(/[\r\n]/g, ' '),
    )
  }

  #addressOf(key: readonly string[]): string {
    let address = this.#options.url
    for (const [index, name] of this.#keys.entries()) {
      const value = key[index] ?? ''
      // As parts of a path they mean other places, also when they are escaped.
      if (value === '.' || value === '..') {
        throw new MillraceError(`a key of ${name} is . or .., which cannot stand in an address`, { code: 'POISON' })
      }
      address = address.replaceAll(`{${name}}`, () => encodeURIComponent(value))
    }
    return address
  }
}
