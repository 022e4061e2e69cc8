import assert from 'node:assert/strict'

/** The password of every warehouse that tests start: characters that every encoding writes in its own way. */
export const CANARY = 'c4n@ry/4711 +"é'

/** The ways in which a careless program writes a secret. */
function formsOf(secret: string, user: string): string[] {
  return [
    secret,
    encodeURIComponent(secret),
    JSON.stringify(secret).slice(1, -1),
    Buffer.from(secret).toString('base64'),
    Buffer.from(secret).toString('hex'),
    Buffer.from(`${user}:${secret}`).toString('base64'),
    Buffer.from(`\0${user}\0${secret}`).toString('base64'),
    'c4n@ry',
    'c4n%40ry',
  ]
}

export function assertNoCanary(text: string, where: string): void {
  for (const form of formsOf(CANARY, 'root')) assert.ok(!text.includes(form), `${form} in ${where}`)
}
