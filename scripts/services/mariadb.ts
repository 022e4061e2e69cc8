/** A real MariaDB server for tests and benches: `await using mariadb = await startMariadb()`. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { unpackPackages, type UnpackedPackages } from './debian-packages.ts'
import { startMysqlServer } from './mysql-server.ts'
import type { DatabaseService, DatabaseServiceOptions } from './server-process.ts'

/** MariaDB 10.11, the long-term release in Debian 12. */
function prepareMariadb(): UnpackedPackages {
  return unpackPackages('mariadb', 'bookworm', ['mariadb-server-core'])
}

export function startMariadb(options: DatabaseServiceOptions = {}): Promise<DatabaseService> {
  const packages = prepareMariadb()
  const usr = path.join(packages.root, 'usr')
  const command = packages.command('usr/sbin/mariadbd')
  return startMysqlServer(
    {
      name: 'MariaDB',
      command,
      settings: [
        `basedir=${usr}`,
        `lc_messages_dir=${path.join(usr, 'share/mysql')}`,
        `character_sets_dir=${path.join(usr, 'share/mysql/charsets')}`,
        `plugin_dir=${path.join(usr, 'lib/mysql/plugin')}`,
        'server_id=101',
        'log_bin=mbin',
        'binlog_row_metadata=FULL',
        'gtid_strict_mode=ON',
        'log_slave_updates=ON',
        'binlog_annotate_row_events=OFF',
      ],
      initialize: (settingsFile) => makeSystemTables(command, settingsFile, path.join(usr, 'share/mysql')),
    },
    options,
  )
}

/** What the script `mariadb-install-db` does, which cannot be told to run the server with another loader. */
function makeSystemTables(command: readonly string[], settingsFile: string, scripts: string): void {
  mkdirSync(path.join(path.dirname(settingsFile), 'data'))
  const files = ['mysql_system_tables.sql', 'mysql_performance_tables.sql', 'mysql_system_tables_data.sql']
  const input = [
    'CREATE DATABASE IF NOT EXISTS mysql;',
    'USE mysql;',
    'SET @auth_root_socket = NULL;',
    ...files.map((file) => readFileSync(path.join(scripts, file), 'utf8')),
    '',
  ].join('\n')
  const [program, ...args] = [...command, `--defaults-file=${settingsFile}`, '--bootstrap', '--skip-log-bin']
  const done = spawnSync(program, args, { input, encoding: 'utf8', maxBuffer: 64 << 20 })
  if (done.status !== 0) throw new Error(`MariaDB could not make its system tables: ${done.stderr.slice(-2000)}`)
}
