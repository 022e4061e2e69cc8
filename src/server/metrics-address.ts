import { MillraceError } from '../index.ts'

export interface MetricsAddress {
  readonly host: string
  readonly port: number
}

/** `9464`, `10.0.0.5:9464` or `[::1]:9464`. Without a host only this machine can look. */
export function parseMetricsAddress(text: string): MetricsAddress {
  const match = /^(?:(\[[0-9a-fA-F:.]+\]|[^[\]:/@\s]+):)?(\d{1,5})$/.exec(text)
  const port = Number(match?.[2])
  if (match === null || port > 65_535) {
    throw new MillraceError(`${JSON.stringify(text)} is not an address to listen on: use [host:]port`, {
      code: 'CONFIG',
    })
  }
  return { host: match[1]?.replace(/^\[|\]$/g, '') ?? '127.0.0.1', port }
}
