const CLEAR_TO_END = '\u001b[J'

/** Lines at the bottom of a terminal that are redrawn in place, while other text scrolls by above them. */
export class LiveBlock {
  readonly #write: (text: string) => void
  #shown: readonly string[] = []

  constructor(write: (text: string) => void) {
    this.#write = write
  }

  /** The lines have to fit into the terminal's width, and to be rendered. No lines: the block goes. */
  show(lines: readonly string[]): void {
    const text = lines.map((line) => `${line}\u001b[K\n`).join('')
    this.#write(`${this.#upToTop()}${text}${CLEAR_TO_END}`)
    this.#shown = lines
  }

  /** Prints something, which has to end with a line break, above the block. */
  above(print: () => void): void {
    const lines = this.#shown
    if (lines.length > 0) this.show([])
    print()
    if (lines.length > 0) this.show(lines)
  }

  #upToTop(): string {
    return this.#shown.length === 0 ? '' : `\r\u001b[${this.#shown.length}A`
  }
}
