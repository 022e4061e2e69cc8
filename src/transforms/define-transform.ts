/** What a user function may know besides the row. */
export interface TransformContext {
  /** Id of the step in the pipeline. */
  readonly step: string
  /** The split that the row comes from, for example `clicks/3`. */
  readonly split: string
}

/** One row becomes one row, several, or none (`null` or `undefined`: the row is filtered out). */
export type TransformFunction<In, Out> = (
  row: Readonly<In>,
  context: TransformContext,
) => Out | readonly Out[] | null | undefined | Promise<Out | readonly Out[] | null | undefined>

/**
 * Types the function of a `module` step; export its result as the module's default.
 *
 * Rows are plain objects without a prototype. bigint columns are `bigint`, smaller integers `number`, decimals text,
 * timestamps `bigint` microseconds since 1970, blobs `Uint8Array`, everything else as JSON would have it.
 */
export function defineTransform<In extends object, Out extends object>(
  transform: TransformFunction<In, Out>,
): TransformFunction<In, Out> {
  return transform
}
