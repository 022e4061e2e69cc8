import { MillraceError } from '../../core/errors.ts'

/** What the client does about an answer that is no success. */
export type Remedy =
  /** The same request again, after a short pause. */
  | 'repeat'
  /** The same request again, after a longer one: quotas are counted by the second. */
  | 'slow-down'
  /** Once more with fresh credentials. */
  | 'refresh'
  /** Once more by the server's clock. */
  | 'set-clock'
  | 'give-up'

/** An answer that is no success, as the service words it. */
export interface Refusal {
  readonly status: number
  /** Empty when the body is not the service's own: gateways in front answer with HTML. */
  readonly errorCode: string
  readonly errorMessage: string
  readonly requestId: string
}

const QUOTA = /quota|qpsexceed|exceed$|throttl/
const CREDENTIALS =
  /^(unauthorized|signaturenotmatch|invalidaccesskeyid.*|accesskeyid.*|securitytoken.*|invalidsecuritytoken.*|projectforbidden|missaccesskeyid|accessdenied.*)$/
const CLOCK = /^requesttime(expired|tooskewed)$/
const BUSY = /^(internalservererror|requesttimeout|serverbusy)$/

/** The code decides before the status does; codes are compared without regard to case (developer guide, Error codes). */
export function remedyOf({ status, errorCode }: Refusal): Remedy {
  const code = errorCode.toLowerCase().replaceAll(' ', '')
  if (CLOCK.test(code)) return 'set-clock'
  if (BUSY.test(code)) return 'repeat'
  if ((status === 403 || status === 429) && QUOTA.test(code)) return 'slow-down'
  if (CREDENTIALS.test(code)) return 'refresh'
  if (status === 429) return 'slow-down'
  if (status >= 500 || status === 408) return 'repeat'
  return status === 401 || status === 403 ? 'refresh' : 'give-up'
}

/** The error for a refusal that nothing is done about. The service's code is in `detail.errorCode`. */
export function refusalError(doing: string, refusal: Refusal): MillraceError {
  const { status, errorCode, errorMessage, requestId } = refusal
  const isAuth = remedyOf(refusal) === 'refresh'
  const text = errorCode === '' ? `HTTP ${status}` : `${errorCode} (HTTP ${status}): ${oneLine(errorMessage)}`
  const advice = isAuth ? '. Check the access key, its token and its rights' : ''
  return new MillraceError(`${doing}: SLS answered ${text}, request ${requestId}${advice}`, {
    code: isAuth ? 'AUTH' : 'CONFIG',
    retry: 'halt',
    detail: { status, errorCode, requestId },
  })
}

/** The service's code of an error that came from it. */
export function slsCodeOf(error: unknown): string {
  return error instanceof MillraceError ? String(error.detail['errorCode'] ?? '').toLowerCase() : ''
}

/** The server's words may hold what we sent; a signature's string to sign is long and holds the token. */
function oneLine(text: string): string {
  return text.replaceAll(/[\p{Cc}\s]+/gu, ' ').slice(0, text.includes('x-acs-security-token') ? 60 : 300)
}
