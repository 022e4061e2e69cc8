/** Why the quickstart cannot go on, and the next step of its reader. */
export class QuickstartError extends Error {
  readonly advice: string

  constructor(message: string, advice: string) {
    super(message)
    this.advice = advice
  }
}
