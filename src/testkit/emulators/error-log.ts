/** Error logs that a backend keeps. */
const LOGS_MAX = 1000

/** Row errors of failed and filtered loads, served at `/api/_load_error_log?file=…` of the backend. */
export class ErrorLog {
  readonly #logs = new Map<string, string>()
  #next = 1

  /** Keeps the errors; returns the file's name. */
  keep(errors: readonly string[]): string {
    const high = (0x3f00_0000 + this.#next).toString(16)
    const file = `error_log_${high}_${(0xa100_0000 + this.#next).toString(16)}`
    this.#next += 1
    this.#logs.set(file, `${errors.join('\n')}\n`)
    const oldest = this.#logs.keys().next()
    if (this.#logs.size > LOGS_MAX && oldest.done !== true) this.#logs.delete(oldest.value)
    return file
  }

  read(file: string): string | undefined {
    return this.#logs.get(file)
  }
}
