/** Formats of changes, by the names that pipelines use. */
export const CHANGE_FORMATS = ['debezium-json', 'debezium-avro', 'canal-json', 'maxwell-json'] as const
export type ChangeFormatName = (typeof CHANGE_FORMATS)[number]

export function isChangeFormat(name: string): name is ChangeFormatName {
  return (CHANGE_FORMATS as readonly string[]).includes(name)
}

/** Formats of feeds that say by watermarks how far they are complete. */
export const FEED_FORMATS = ['ticdc-canal-json', 'ticdc-open-protocol', 'ticdc-simple'] as const
export type FeedFormatName = (typeof FEED_FORMATS)[number]

export function isFeedFormat(name: string): name is FeedFormatName {
  return (FEED_FORMATS as readonly string[]).includes(name)
}

/** Rows are changes, with `__op`. */
export function tellsChanges(name: string): name is ChangeFormatName | FeedFormatName {
  return isChangeFormat(name) || isFeedFormat(name)
}
