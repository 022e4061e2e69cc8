import { z } from 'zod'
import { duration, identifier, path, s3, secret, url, type S3Options } from '../../core/options.ts'
import type { Secret } from '../../core/secret.ts'

const snapshotId = z.union([z.int().min(0), z.string().regex(/^\d{1,19}$/)], {
  error: 'expected a snapshot id; one of more than 15 digits has to be quoted',
})
const moment = z.union([z.iso.datetime({ offset: true }), z.int().min(0)], {
  error: 'expected a time such as 2024-05-06T07:08:09Z, or milliseconds since 1970',
})

/** The options of the source `iceberg`. */
export const icebergSourceOptions: z.ZodType<IcebergSourceOptions> = z
  .strictObject({
    table: path()
      .optional()
      .describe('Directory of the table, or its metadata file; local or `s3://`.')
      .meta({ examples: ['warehouse/db/clicks', 's3://lake/db/clicks/metadata/00003-8f0c.metadata.json'] }),
    catalog: z
      .strictObject({
        uri: url().describe('Address of a REST catalog, without `v1`.'),
        warehouse: identifier(1024).optional().describe('Which of its warehouses.'),
        token: secret().optional().describe('Bearer token.'),
        credential: secret().optional().describe('`client:secret`, exchanged for a token.'),
        scope: identifier().optional().describe('Scope of the token; default: catalog.'),
        tokenUri: url().optional().describe('Where tokens are had; default: the catalog.'),
        allowPlaintext: z
          .boolean()
          .default(false)
          .describe('Allows secrets over plain HTTP to a host that is not loopback.'),
      })
      .optional()
      .describe('A REST catalog that knows the table; with `namespace` and `name`.'),
    namespace: z
      .union([identifier().transform((text) => text.split('.')), z.array(identifier()).min(1)])
      .optional()
      .describe('Namespace in the catalog: `a.b`, or a list when a level contains a dot.')
      .meta({ examples: ['analytics'] }),
    name: identifier()
      .optional()
      .describe('Name of the table in the catalog.')
      .meta({ examples: ['clicks'] }),
    snapshot: z
      .union([
        snapshotId.transform((id) => ({ id: String(id) })),
        z.strictObject({ id: snapshotId.transform(String) }),
        z.strictObject({ tag: identifier() }),
        z.strictObject({ branch: identifier() }),
        z.strictObject({ time: moment }),
      ])
      .default({ branch: 'main' })
      .describe('What to read: an id, {tag}, {branch} or {time}. It is fixed at the very first start.'),
    columns: z
      .array(identifier())
      .min(1)
      .optional()
      .describe('Columns to read, in this order; default: all. Files are only read where they hold them.')
      .meta({ examples: [['id', 'ts']] }),
    where: z
      .string()
      .min(1)
      .optional()
      .describe(
        'Rows to read: comparisons of columns with values, IN, IS NULL, AND, OR. Files and manifests that hold none are left out.',
      )
      .meta({ examples: ["region = 'eu' AND ts >= '2024-01-01T00:00:00Z'"] }),
    follow: z
      .boolean()
      .default(false)
      .describe('Keep running: after the snapshot, read what later snapshots of the branch append.'),
    changes: z
      .enum(['fail', 'changes'])
      .default('fail')
      .describe(
        'Snapshots that overwrite or delete rows, while following: fail, or changes (rows that disappear come too, and `_change` says which).',
      ),
    discoveryInterval: duration({ minMs: 100 }).default(10_000).describe('Pause between two looks for new snapshots.'),
    relocated: z
      .boolean()
      .default(false)
      .describe('The files were moved or copied to `table` from where the metadata says that they are.'),
    s3: s3().optional(),
  })
  .superRefine((options, context) => {
    const complain = (key: string, message: string): void => context.addIssue({ code: 'custom', path: [key], message })
    const { table, catalog, namespace, name, snapshot, follow, relocated } = options
    if ((table === undefined) === (catalog === undefined)) complain('table', 'give either `table` or `catalog`')
    if (catalog !== undefined && namespace === undefined) complain('namespace', 'is needed with `catalog`')
    if (catalog !== undefined && name === undefined) complain('name', 'is needed with `catalog`')
    if (catalog === undefined && namespace !== undefined) complain('namespace', 'belongs to `catalog`')
    if (catalog === undefined && name !== undefined) complain('name', 'belongs to `catalog`')
    if (catalog?.token !== undefined && catalog.credential !== undefined) {
      complain('catalog', 'give either `token` or `credential`')
    }
    if (follow && !('branch' in snapshot)) complain('snapshot', 'only a branch can be followed')
    if (follow && table?.endsWith('.json') === true)
      complain('table', 'a metadata file never changes: name the directory')
    if (!follow && options.changes === 'changes') complain('changes', 'belongs to `follow: true`')
    if (relocated && table === undefined) complain('relocated', 'belongs to `table`')
  })

export interface IcebergSourceOptions {
  readonly table?: string | undefined
  readonly catalog?: CatalogOptions | undefined
  readonly namespace?: readonly string[] | undefined
  readonly name?: string | undefined
  readonly snapshot: SnapshotOption
  readonly columns?: readonly string[] | undefined
  readonly where?: string | undefined
  readonly follow: boolean
  readonly changes: 'fail' | 'changes'
  readonly discoveryInterval: number
  readonly relocated: boolean
  readonly s3?: S3Options | undefined
}

export interface CatalogOptions {
  readonly uri: string
  readonly warehouse?: string | undefined
  readonly token?: Secret | undefined
  readonly credential?: Secret | undefined
  readonly scope?: string | undefined
  readonly tokenUri?: string | undefined
  readonly allowPlaintext: boolean
}

export type SnapshotOption =
  | { readonly id: string }
  | { readonly tag: string }
  | { readonly branch: string }
  | { readonly time: string | number }
