import { MillraceError } from '../../../core/errors.ts'

/** Credentials that cannot be had: nobody but an operator can mend it. */
export function noCredentials(where: string, why: string, cause?: unknown): MillraceError {
  return new MillraceError(`getting the credentials of object storage from ${where}: ${why}`, {
    code: 'AUTH',
    retry: 'halt',
    ...(cause === undefined ? {} : { cause }),
  })
}

/** A service of the cloud that hands out credentials does not answer: tried again later. */
export function credentialsUnavailable(where: string, why: string, cause?: unknown): MillraceError {
  return new MillraceError(`getting the credentials of object storage from ${where}: ${why}`, {
    code: 'UNAVAILABLE',
    retry: 'restart',
    ...(cause === undefined ? {} : { cause }),
  })
}
