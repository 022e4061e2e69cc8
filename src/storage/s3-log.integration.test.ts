import { after } from 'node:test'
import { checkpointLogSuite } from '../testkit/checkpoint-log-suite.ts'
import { openTestBucket } from '../../scripts/services/s3-bucket.ts'
import { S3Log } from './s3-log.ts'

const shared = await openTestBucket()
after(() => shared[Symbol.asyncDispose]())
let logs = 0

checkpointLogSuite('the log on S3', async () => {
  const prefix = `log-${++logs}/`
  return { open: () => new S3Log(shared.bucket, prefix), [Symbol.asyncDispose]: async () => undefined }
})
