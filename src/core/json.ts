/** A value that survives `JSON.stringify` and `JSON.parse` unchanged. Big integers travel as text. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }
export type JsonObject = { readonly [key: string]: Json }

/** JSON text of anything: bigints as text, because a number would round them. */
export function jsonText(value: unknown, indent?: number): string {
  return JSON.stringify(value, (_key, item: unknown) => (typeof item === 'bigint' ? String(item) : item), indent)
}
