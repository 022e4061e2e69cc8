/**
 * A process that holds the S3 server of one test run: it sends the server's address to its parent and stops the server
 * when the parent asks or is gone, so that even a killed run leaves nothing behind.
 */
import { startS3 } from '../services/s3.ts'

const parentGone = new Promise<void>((resolve) => process.once('disconnect', resolve))
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined)
await using s3 = await startS3()
process.send?.(s3.endpoint)
await parentGone
