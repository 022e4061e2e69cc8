/** Address of a thread's entry beside the calling module: `.ts` in a checkout, `.js` in the published package. */
export function threadUrl(path: string, base: string): URL {
  return new URL(path + (base.endsWith('.ts') ? '.ts' : '.js'), base)
}
