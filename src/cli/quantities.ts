/** Numbers for people. */
export function formatCount(value: number): string {
  return Math.round(value).toLocaleString('en-US')
}

export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB']
  let power = 0
  let rest = bytes
  while (rest >= 1000 && power < units.length - 1) {
    rest /= 1000
    power += 1
  }
  return `${rest.toFixed(power === 0 ? 0 : rest < 10 ? 2 : 1)} ${units[power]}`
}

/** `950 ms`, `12.3 s`, `4 min 5 s`, `3 h 20 min`, `2 d 4 h`. */
export function formatDuration(ms: number): string {
  if (ms < 1000) return `${Math.max(0, Math.round(ms))} ms`
  const seconds = ms / 1000
  if (seconds < 60) return `${seconds.toFixed(1)} s`
  const whole = Math.round(seconds)
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`
  if (whole < 86_400) return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`
  return `${Math.floor(whole / 86_400)} d ${Math.floor((whole % 86_400) / 3600)} h`
}

/** How long ago a time in ISO form was. */
export function formatAge(at: string, now: number): string {
  return `${formatDuration(now - Date.parse(at))} ago`
}
