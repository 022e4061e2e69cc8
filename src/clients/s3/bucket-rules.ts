import { replyXml, type Bucket } from './bucket.ts'
import { childrenOf, textOf, type XmlElement } from './xml.ts'

const DAY_MS = 86_400_000

/**
 * After how many milliseconds rules of the bucket remove unfinished uploads whose keys begin with `prefix`; `undefined`
 * when none does, or when the rules may not be read.
 *
 * @see https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLifecycleConfiguration.html
 */
export async function unfinishedUploadsLiveMs(bucket: Bucket, prefix: string): Promise<number | undefined> {
  const doing = `reading the rules of s3://${bucket.name}`
  const request = { doing, method: 'GET', bucket: bucket.name, key: '', query: { lifecycle: '' } } as const
  const answerCodes = ['NoSuchLifecycleConfiguration', 'NotImplemented', 'MethodNotAllowed', 'AccessDenied']
  const reply = await bucket.client.send({ ...request, answerCodes })
  if (reply.status !== 200) return undefined
  const days = childrenOf(replyXml(doing, reply), 'Rule').flatMap((rule) => daysOf(rule, prefix))
  return days.length === 0 ? undefined : Math.min(...days) * DAY_MS
}

function daysOf(rule: XmlElement, prefix: string): number[] {
  const abort = childrenOf(rule, 'AbortIncompleteMultipartUpload')[0]
  const days = Number(abort && textOf(abort, 'DaysAfterInitiation'))
  const filter = childrenOf(rule, 'Filter')[0]
  const and = filter && childrenOf(filter, 'And')[0]
  const of = textOf(rule, 'Prefix') ?? (filter && textOf(filter, 'Prefix')) ?? (and && textOf(and, 'Prefix')) ?? ''
  const isMeant = prefix.startsWith(of) || of.startsWith(prefix)
  return textOf(rule, 'Status') === 'Enabled' && Number.isFinite(days) && isMeant ? [days] : []
}
