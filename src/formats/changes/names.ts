/** Formats of changes, by the names that pipelines use. */
export const CHANGE_FORMATS = ['debezium-json', 'canal-json', 'maxwell-json'] as const
export type ChangeFormatName = (typeof CHANGE_FORMATS)[number]

export function isChangeFormat(name: string): name is ChangeFormatName {
  return (CHANGE_FORMATS as readonly string[]).includes(name)
}
