import { z } from 'zod'

/** The sink has nothing to choose. */
export type BlackholeOptions = Readonly<Record<string, never>>

export const blackholeOptions: z.ZodType<BlackholeOptions> = z.strictObject({})
