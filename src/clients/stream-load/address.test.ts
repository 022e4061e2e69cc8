import assert from 'node:assert/strict'
import { test } from 'node:test'
import { canonicalHost, forbiddenAddress, isLoopback } from '../../core/host-address.ts'
import { authorityOf } from './address.ts'

test('every spelling of one host becomes the same text', () => {
  const spellings: Readonly<Record<string, readonly string[]>> = {
    '127.0.0.1': [
      '127.0.0.1',
      '2130706433',
      '0x7f000001',
      '0177.0.0.1',
      '127.1',
      '[::ffff:127.0.0.1]',
      '::ffff:7f00:1',
      '127.0.0.1.',
      '[::127.0.0.1]',
      '１２７.0.0.1',
    ],
    '169.254.169.254': ['2852039166', '0xA9FEA9FE', '0251.0376.0251.0376', '[::ffff:a9fe:a9fe]', '169.254.43518'],
    '::1': ['[::1]', '::1', '[0:0:0:0:0:0:0:1]'],
    'be1.example': ['BE1.Example', 'be1.example.'],
  }
  for (const [canonical, all] of Object.entries(spellings)) {
    for (const spelling of all) assert.equal(canonicalHost(spelling), canonical, spelling)
  }
})

test('texts that are no host are refused', () => {
  for (const text of ['', 'a b', 'a/b', 'a@b', 'a:80', '[::1', 'fe80::1%eth0', '1.2.3.4.5.6', '256.1.1.1']) {
    assert.equal(canonicalHost(text), undefined, text)
  }
})

test('metadata, link-local and senseless addresses are never connected to', () => {
  const forbidden = [
    '169.254.169.254',
    '169.254.0.1',
    '::ffff:169.254.169.254',
    'fe80::1',
    'febf::1',
    'fd00:ec2::254',
    '100.100.100.200',
    '168.63.129.16',
    '0.0.0.0',
    '::',
    '224.0.0.1',
    '255.255.255.255',
    'ff02::1',
    '64:ff9b::a9fe:a9fe',
    'be1.example',
  ]
  for (const ip of forbidden) assert.notEqual(forbiddenAddress(ip), undefined, ip)
  for (const ip of ['127.0.0.1', '10.1.2.3', '192.168.1.1', '::1', 'fd00::7', '2001:db8::1', '8.8.8.8']) {
    assert.equal(forbiddenAddress(ip), undefined, ip)
  }
})

test('loopback is told in both families', () => {
  for (const ip of ['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1']) assert.ok(isLoopback(ip), ip)
  for (const ip of ['128.0.0.1', '10.127.0.1', 'fd00::1', '::2']) assert.ok(!isLoopback(ip), ip)
})

test('an authority has brackets around IPv6', () => {
  assert.equal(authorityOf({ host: '::1', port: 8040 }), '[::1]:8040')
  assert.equal(authorityOf({ host: 'be', port: 8040 }), 'be:8040')
})
