/** Lets one asynchronous action in at a time, in the order of asking. */
export class Gate {
  #last: Promise<unknown> = Promise.resolve()

  run<T>(action: () => Promise<T> | T): Promise<T> {
    const turn = this.#last.then(action)
    this.#last = turn.catch(() => undefined)
    return turn
  }
}
