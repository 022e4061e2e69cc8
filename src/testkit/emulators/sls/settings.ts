/** Server settings; a test changes them while it runs. */
export interface SlsSettings {
  /** Pulls of one shard within a second before they are refused with ShardReadQuotaExceed; 0: no limit. */
  readsPerSecond: number
  /** The answer to a pull ends before its groups have more bytes than this. */
  pullBytesMax: number
  /** How long ListShards still shows the shards of before a split or merge. */
  listDelayMs: number
  /** Leaves `x-log-read-last-cursor` out of the answers, as it is optional. */
  hidesLastCursor: boolean
  /** Largest difference between the request's and the server's clock, in seconds. */
  clockSkewMaxSeconds: number
}

export const SLS_DEFAULTS: Readonly<SlsSettings> = {
  readsPerSecond: 0,
  pullBytesMax: 10 * 1024 * 1024,
  listDelayMs: 0,
  hidesLastCursor: false,
  clockSkewMaxSeconds: 900,
}

/** Whom the server knows. */
export interface SlsCredentials {
  accessKeyId: string
  accessKeySecret: string
  /** A temporary key is only good with its token. */
  securityToken?: string
}
