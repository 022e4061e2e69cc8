// Starts a TypeScript script of this repository with the repository's own Node, on a machine that may have nothing but
// an older Node and npm. Plain CommonJS without modern syntax, because the host's Node runs it.
'use strict'
const { spawnSync, spawn } = require('node:child_process')
const { existsSync, readFileSync, writeFileSync } = require('node:fs')
const { createHash } = require('node:crypto')
const path = require('node:path')

const root = path.resolve(__dirname, '..')
const { findNode, launchEnvironment } = require(path.join(root, 'bin', 'find-node.cjs'))

/** Installs dependencies when the lock file changed since the last install. Install scripts stay off: nothing here needs one. */
function install() {
  const stamp = path.join(root, 'node_modules', '.millrace-installed')
  const wanted = createHash('sha256')
    .update(readFileSync(path.join(root, 'package-lock.json')))
    .digest('hex')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return
  process.stderr.write('Installing dependencies (once) …\n')
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm'
  const done = spawnSync(npm, ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
  })
  if (done.status !== 0) {
    process.stderr.write(
      'npm ci failed. Is the npm registry reachable? Run `npm ci --ignore-scripts` here to see why.\n',
    )
    process.exit(done.status || 1)
  }
  writeFileSync(stamp, wanted)
}

install()
const script = process.argv[2]
const child = spawn(findNode(root), [path.join(root, script), ...process.argv.slice(3)], {
  stdio: 'inherit',
  env: launchEnvironment(root),
})
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal))
child.on('exit', (code, signal) => process.exit(signal ? 1 : code))
