/**
 * Address of a thread's entry: `.ts` in a checkout, `.js` in the published package. Its path begins with `../<room>/`,
 * which is right from every room, and from the chunks that the package is bundled into.
 */
export function threadUrl(path: string, base: string): URL {
  return new URL(path + (base.endsWith('.ts') ? '.ts' : '.js'), base)
}
