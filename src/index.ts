/** The public API. What is not exported here may change without notice. */
export { MillraceError, type ErrorDetail, type Retry } from './core/errors.ts'
export { ERROR_CODES, exitCodeOf, type ErrorCode, type ErrorCodeEntry } from './core/error-codes.ts'
export { DELIVERY_CLASSES, type Delivery, type DeliveryClass } from './core/delivery.ts'
export { Secret } from './core/secret.ts'
export {
  definePipeline,
  type PipelineInput,
  type SinkInput,
  type SourceInput,
  type TransformInput,
} from './plan/define.ts'
export { defineTransform, type TransformContext, type TransformFunction } from './transforms/define-transform.ts'
export type { Clock } from './core/context.ts'
export type { JobEvent, JobObserver } from './runtime/observer.ts'
