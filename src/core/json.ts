/** A value that survives `JSON.stringify` and `JSON.parse` unchanged. Big integers travel as text. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }
export type JsonObject = { readonly [key: string]: Json }
