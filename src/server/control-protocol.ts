/*
 * What `status`, `stop`, `savepoint` and `tap` say to a running job: one JSON object per line, on a Unix socket that only the job's
 * user may open. Each request gets replies until one with `done`.
 */
export type ControlRequest =
  | { readonly do: 'status' }
  | { readonly do: 'metrics' }
  | { readonly do: 'stop' }
  /** A checkpoint now instead of when it is due. */
  | { readonly do: 'checkpoint' }
  | { readonly do: 'tap'; readonly step: string; readonly limit: number }

export type ControlReply =
  /** Records that left a step. */
  | { readonly records: readonly string[] }
  | { readonly done: true; readonly value: unknown }
  | { readonly done: true; readonly refused: string }

/** More than any request needs. */
export const REQUEST_BYTES_MAX: number = 64 * 1024
export const TAP_RECORDS_MAX = 1000

/** Throws what is wrong with it. */
export function parseRequest(line: string): ControlRequest {
  const request = JSON.parse(line) as Partial<Record<string, unknown>> | null
  switch (request?.['do']) {
    case 'status':
    case 'metrics':
    case 'stop':
    case 'checkpoint':
      return { do: request['do'] }
    case 'tap': {
      const { step, limit } = request
      if (typeof step !== 'string') throw new Error('"step" has to be the id of a step')
      if (!Number.isInteger(limit) || Number(limit) < 1 || Number(limit) > TAP_RECORDS_MAX) {
        throw new Error(`"limit" has to be a number from 1 to ${TAP_RECORDS_MAX}`)
      }
      return { do: 'tap', step, limit: Number(limit) }
    }
    default:
      throw new Error('"do" has to be status, metrics, stop, checkpoint or tap')
  }
}
