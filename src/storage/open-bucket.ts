import { Bucket, parseS3Address, S3Client, type Patience, type S3Location } from '../clients/s3/index.ts'
import type { S3Settings } from '../core/options.ts'

/** Clients of this thread: they share credentials, connections and what the server has proven. */
const clients = new Map<string, S3Client>()

/** The bucket that an `s3://` address names. Keys that somebody else gave us, and patience, make a client of their own. */
export function openBucket(
  address: string,
  settings: S3Settings,
  patience?: Partial<Patience>,
): { readonly bucket: Bucket } & Pick<S3Location, 'prefix'> {
  const { bucket, prefix } = parseS3Address(address)
  return { bucket: new Bucket(clientOf(settings, patience), bucket), prefix }
}

function clientOf(settings: S3Settings, patience: Partial<Patience> | undefined): S3Client {
  if (patience !== undefined) return new S3Client(settings, { patience })
  if (settings.credentials !== undefined) return new S3Client(settings)
  const { endpoint, region, pathStyle, flavor } = settings
  const name = JSON.stringify([endpoint, region, pathStyle, flavor])
  let client = clients.get(name)
  if (client === undefined) clients.set(name, (client = new S3Client(settings)))
  return client
}
