import { inspect } from 'node:util'

const raw = new WeakMap<Secret, string>()

/**
 * A password, token or key. Every way of printing it gives `***`; the value is only had by calling `reveal()`, which
 * belongs inside the driver call that needs it and nowhere else.
 */
export class Secret {
  constructor(value: string) {
    raw.set(this, value)
  }

  /** The value itself. Never store, log or format what this returns. */
  reveal(): string {
    return raw.get(this) ?? ''
  }

  get isEmpty(): boolean {
    return this.reveal() === ''
  }

  toString(): string {
    return '***'
  }

  toJSON(): string {
    return '***'
  }
}

Object.defineProperty(Secret.prototype, inspect.custom, { value: (): string => 'Secret(***)' })
