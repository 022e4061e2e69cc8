import { z } from 'zod'
import type { RegistryOptions } from '../../clients/schema-registry/index.ts'
import { identifier, secret, url } from '../../core/options.ts'

/** The option `registry` of source and sink. */
export const registryOption: z.ZodType<RegistryOptions | undefined> = z
  .strictObject({
    url: url(['http', 'https'])
      .describe('Address of the registry.')
      .meta({ examples: ['http://registry:8081'] }),
    username: identifier().optional().describe('User, where it asks for one.'),
    password: secret().optional().describe('Its password: `${NAME}`, {file: path} or {exec: command}.'),
    allowPlaintext: z.boolean().default(false).describe('Allows the password over plain HTTP.'),
  })
  .optional()
