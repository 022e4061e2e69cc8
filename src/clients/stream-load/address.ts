/** Where a request goes: `host` is canonical (see `canonicalHost`), `port` is always explicit. */
export interface Target {
  readonly scheme: 'http' | 'https'
  readonly host: string
  readonly port: number
}

/** `host:port`, with brackets around IPv6: the form used in allow-lists, pool keys and messages. */
export function authorityOf(target: { readonly host: string; readonly port: number }): string {
  return `${target.host.includes(':') ? `[${target.host}]` : target.host}:${target.port}`
}
