import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseEndpoint } from './endpoint.ts'

test('a name is connected to with the project, an address as it is; both say the project in the Host header', () => {
  const cases: [endpoint: string, expected: string][] = [
    [
      'cn-hangzhou.log.aliyuncs.com',
      'https p.cn-hangzhou.log.aliyuncs.com:443 p.cn-hangzhou.log.aliyuncs.com cn-hangzhou',
    ],
    [
      'http://cn-hangzhou-intranet.log.aliyuncs.com',
      'http p.cn-hangzhou-intranet.log.aliyuncs.com:80 p.cn-hangzhou-intranet.log.aliyuncs.com cn-hangzhou',
    ],
    [
      'https://ap-southeast-1-vpc.sls.aliyuncs.com:8443/',
      'https p.ap-southeast-1-vpc.sls.aliyuncs.com:8443 p.ap-southeast-1-vpc.sls.aliyuncs.com:8443 ap-southeast-1',
    ],
    ['127.0.0.1:9000', 'http 127.0.0.1:9000 p.127.0.0.1:9000 undefined'],
    ['http://localhost:80', 'http localhost:80 p.localhost:80 undefined'],
    ['localhost', 'http localhost:80 p.localhost undefined'],
    ['https://10.0.0.7', 'https 10.0.0.7:443 p.10.0.0.7 undefined'],
    ['http://[::1]:9000', 'http ::1:9000 p.[::1]:9000 undefined'],
    ['sls.example.com', 'https p.sls.example.com:443 p.sls.example.com undefined'],
  ]
  for (const [endpoint, expected] of cases) {
    const { scheme, host, port, authority, region } = parseEndpoint(endpoint, 'p')
    assert.equal(`${scheme} ${host}:${port} ${authority} ${region}`, expected, endpoint)
  }
})

test('what is no host is refused without quoting it', () => {
  for (const endpoint of [
    '',
    'ftp://x',
    'http://user:secret@host',
    'host:port',
    'host:70000',
    'a b',
    'http://host/path',
  ]) {
    assert.throws(
      () => parseEndpoint(endpoint, 'p'),
      { code: 'CONFIG', message: /^(?!.*secret).*SLS endpoint/ },
      endpoint,
    )
  }
})
