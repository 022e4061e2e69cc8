/**
 * A small client for S3 and what speaks its protocol, made for writing things exactly once: every request says whether
 * it may be repeated, and conditional writes tell a lost answer from somebody else's object.
 *
 *   S3Client       endpoint, credentials, signatures, retries
 *   Bucket         get, head, put, delete, list: requests that may be repeated at will
 *   createObject   create if absent; completeUpload is the same for large objects
 */
export { Bucket, type ListedObject, type ObjectHead } from './bucket.ts'
export { unfinishedUploadsLiveMs } from './bucket-rules.ts'
export { createObject } from './conditional-write.ts'
export { parseS3Address, type S3Location } from './endpoint.ts'
export {
  abortUpload,
  beginUpload,
  completeUpload,
  hasUpload,
  listUploads,
  PARTS_MAX,
  uploadPart,
  type UploadHandle,
} from './multipart-upload.ts'
export { PROBE_NAME, proveConditions } from './prove-conditions.ts'
export { S3Client, type Patience } from './s3-client.ts'
export type { World } from './world.ts'
