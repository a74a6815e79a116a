'use strict';
const { test } = require('node:test');
const assert = require('node:assert/strict');
const { Driving, pauseAfter } = require('../src/driving.js');
const { pause } = require('../src/following/follower.js');
const { parseUrl } = require('../src/following/url.js');
const { settingsOf } = require('../src/settings.js');
const { resourceAttributes } = require('../src/attributes.js');

const at = (hz) => new Map([['cpu', { profile: 'cpu', hz, lease: null, until_ms: null, clamped_from: null, reason: '' }]]);
const turn = () => new Promise((resolve) => setImmediate(resolve));
const driving = (apply, more = {}) =>
  new Driving({ name: 'd', profiles: ['cpu'], apply, ...more }, () => {});

test('a failed call is repeated after 1, 2, 4, 8, 16, then every 30 s', () => {
  assert.deepEqual([1, 2, 3, 4, 5, 6, 99].map(pauseAfter), [1000, 2000, 4000, 8000, 16000, 30000, 30000]);
});

test('a driver that throws is a NACK with its reason, and is tried again', async () => {
  let calls = 0;
  const it = driving(() => { calls += 1; if (calls === 1) throw new TypeError('no permission'); });
  it.want(at(19n), new Map());
  it.pump(0, () => 0n);
  await turn();
  assert.deepEqual(it.standing(0), { state: 'failed', error: 'TypeError: no permission' });
  it.pump(999, () => 0n);
  assert.equal(calls, 1);
  it.pump(1000, () => 7n);
  await turn();
  assert.equal(it.standing(1000).state, 'applied');
  assert.equal(it.applied.at_ms, 7n);
});

test('another frequency is tried at once after a failure', async () => {
  let calls = 0;
  const it = driving(() => { calls += 1; throw new Error('no'); });
  it.want(at(19n), new Map());
  it.pump(0, () => 0n);
  await turn();
  it.want(at(100n), new Map());
  it.pump(1, () => 0n);
  await turn();
  assert.equal(calls, 2);
});

test('a driver that hangs is told after 4 s, and what was overtaken is left out', async () => {
  const seen = [];
  let release;
  const it = driving((decisions) => {
    seen.push(decisions.get('cpu').hz);
    return new Promise((resolve) => { release = resolve; });
  });
  it.want(at(19n), new Map());
  it.pump(0, () => 0n);
  for (const hz of [20n, 30n, 100n]) { it.want(at(hz), new Map()); it.pump(1, () => 0n); }
  assert.equal(it.standing(3_999).error, null);
  assert.deepEqual(it.standing(4_000), { state: 'applying', error: 'driver has not returned for 4 s' });
  release();
  await turn();
  it.pump(5_000, () => 0n);
  assert.deepEqual(seen, [19, 100]);
});

test('a newer plan with the same frequencies needs no call', async () => {
  let calls = 0;
  const it = driving(() => { calls += 1; return { cpu: 18.5 }; });
  it.want(at(19n), new Map([['fleet', 1n]]));
  it.pump(0, () => 0n);
  await turn();
  it.want(at(19n), new Map([['fleet', 2n]]));
  it.pump(1, () => 0n);
  assert.equal(calls, 1);
  assert.equal(it.applied.revs.get('fleet'), 2n);
  assert.equal(it.applied.profiles.get('cpu').achieved_hz, 18.5);
});

test("a driver's trouble is a failure of what it has confirmed", async () => {
  const it = driving(() => {}, { trouble: () => 'it died' });
  it.want(at(19n), new Map());
  it.pump(0, () => 0n);
  await turn();
  assert.deepEqual(it.standing(1), { state: 'failed', error: 'it died' });
});

test('the pause before a session grows to 3 s, of which half is random', () => {
  assert.deepEqual([0, 1, 2, 5, 6, 50].map((n) => pause(n, () => 1)), [100, 200, 400, 3000, 3000, 3000]);
  assert.equal(pause(0, () => 0), 50);
});

test('URLs are those of controllers', () => {
  const of = (url) => parseUrl(url);
  assert.deepEqual(of('redis://a').nodes, [{ host: 'a', port: 6379 }]);
  assert.deepEqual(of('rediss://u:p%40w@[::1]:7/3'), {
    kind: 'single', tls: true, nodes: [{ host: '::1', port: 7 }], name: '', db: 3, username: 'u', password: 'p@w', shown: 'rediss://[::1]:7/3',
  });
  assert.deepEqual(of('redis://:secret@a').password, 'secret');
  const sentinel = of('redis+sentinel://u:p@a,b:7/main/2');
  assert.deepEqual([sentinel.nodes, sentinel.name, sentinel.db], [[{ host: 'a', port: 26379 }, { host: 'b', port: 7 }], 'main', 2]);
  assert.ok(of('rediss+cluster://a:1,b:2').tls);
  assert.deepEqual(of('unix:///run/v.sock?db=1').nodes, [{ path: '/run/v.sock' }]);
  for (const bad of ['', 'http://a', 'redis://', 'redis://a:x', 'redis://a:99999', 'redis://a,b', 'redis+sentinel://a', 'redis://a/x', 'redis+cluster://a/1', 'unix://a', 'redis://%zz@a']) {
    assert.throws(() => parseUrl(bad), { name: 'ConfigurationError' }, bad);
  }
});

test('wrong settings are told at the start', () => {
  const good = { redisUrl: 'redis://a', service: 'checkout', driver: () => {} };
  settingsOf(good, {});
  for (const wrong of [
    { redisUrl: '' }, { service: '' }, { driver: undefined }, { driver: 'x' }, { driver: {} }, { baselineHz: 1001 },
    { baselineHz: 1.5 }, { maxHz: -1 }, { namespace: 'a b' }, { secrets: [] }, { secrets: '' }, { service: 'a\nb' },
    { service: 'a'.repeat(249) }, { attributes: { a: 1 } }, { attributes: { a: 'x'.repeat(32768) } },
    { driver: { name: 'd', profiles: ['cpu', 'cpu'], apply() {} } },
  ]) {
    assert.throws(() => settingsOf({ ...good, ...wrong }, {}), { name: 'ConfigurationError' }, JSON.stringify(wrong));
  }
  assert.throws(() => settingsOf(good, { UPSHIFT_MAX_HZ: 'fast' }), /UPSHIFT_MAX_HZ must be a whole number/);
});

test('attributes are those of the page', () => {
  const env = {
    OTEL_SERVICE_NAME: 'checkout', OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment=qa, service.version = 2%2E1,service.name=other',
    KUBERNETES_SERVICE_HOST: 'x', K8S_NODE_NAME: 'worker-3', POD_NAMESPACE: 'shop',
  };
  const { attributes, targets } = settingsOf({ redisUrl: 'redis://a', driver: () => {} }, env);
  const got = (name) => attributes.get(name);
  assert.deepEqual([got('service.name'), got('deployment.environment.name'), got('service.version'), got('k8s.namespace.name')], ['checkout', 'qa', '2.1', 'shop']);
  assert.equal(got('service.instance.id'), got('k8s.pod.name'));
  assert.match(got('upshift.agent.id'), /^[0-9a-f]{16}$/);
  assert.deepEqual(targets, ['service/checkout', 'node/worker-3', 'fleet']);
  assert.equal(resourceAttributes('a=1,b').size, 0);
});
