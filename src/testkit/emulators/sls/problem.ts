/** An error that the service answers with: `{"errorCode", "errorMessage"}`. */
export class SlsProblem extends Error {
  readonly status: number
  readonly code: string

  constructor(status: number, code: string, message: string) {
    super(message)
    this.status = status
    this.code = code
  }
}
