import type { RequestWriter, ResponseReader } from './wire.ts'

/** One version of one Kafka API: how its request is written and its response read. */
export interface KafkaApi<Request, Response> {
  readonly name: string
  readonly key: number
  readonly version: number
  /** Set for APIs whose request and response headers are older than the flexible encoding. */
  readonly header?: 'legacy' | 'flexible-request'
  write(writer: RequestWriter, request: Request): void
  read(reader: ResponseReader, request: Request): Response
}
