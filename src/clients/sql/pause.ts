/** Milliseconds before the attempt after `attempt`, drawn so that two that collided do not meet again. */
export function pauseBefore(attempt: number): number {
  const longest = Math.min(4000, 20 * 2 ** attempt)
  return longest / 2 + Math.random() * (longest / 2)
}
