'use strict';
const { test } = require('node:test');
const assert = require('node:assert/strict');
const { readFileSync } = require('node:fs');
const path = require('node:path');
const { read, write } = require('../src/contract/json.js');
const { readPlan } = require('../src/contract/plan.js');
const { resolve } = require('../src/contract/resolve.js');
const { writeStatus } = require('../src/contract/status.js');
const { take, bounded } = require('../src/contract/holding.js');
const { Clock, Steady } = require('../src/contract/clock.js');
const { clean, isTarget, keyOf, versionOf } = require('../src/contract/text.js');

const CONTRACT = path.join(__dirname, '..', '..', 'contract');
const golden = (name) => readFileSync(path.join(CONTRACT, 'golden', name));
const secrets = (...all) => all.map((it) => Buffer.from(it));
const frequencies = (it) => it ?? new Map();
const plain = (it) => JSON.parse(write(it));

test('every vector is decided as it says, in either order of plans and leases', () => {
  const { cases } = Object.fromEntries(read(readFileSync(path.join(CONTRACT, 'vectors.json'), 'utf8')));
  assert.ok(cases.length > 180);
  for (const it of cases) {
    const expect = it.get('expect');
    const plans = it.get('plans').map((plan) => readPlan(Buffer.from(write(plan)), []));
    const turned = plans.map((plan) => ({ ...plan, leases: [...plan.leases].reverse() })).reverse();
    const baseline = {
      default: it.get('baseline').get('default'),
      environments: frequencies(it.get('baseline').get('environments')),
      profiles: frequencies(it.get('baseline').get('profiles')),
    };
    for (const order of [plans, turned]) {
      const found = resolve(
        order, it.get('attributes'), baseline, it.get('local_max'), it.get('now_ms'), it.get('profile') ?? 'cpu',
      );
      assert.deepEqual(
        { hz: found.hz, lease: found.lease?.id ?? null, until_ms: found.until_ms, clamped_from: found.clamped_from },
        Object.fromEntries(expect), it.get('name'),
      );
    }
  }
});

test('the golden plans are read', () => {
  const plan = readPlan(golden('plan.json'), []);
  assert.equal(plan.rev, 1795395815291229n);
  assert.deepEqual(plan.leases.map((it) => [it.id, it.hz, it.fraction, it.fraction_from]), [
    ['high_cpu/3f9a2c10', 100n, 1, 0], ['pin/7be0d5f1', 9n, 0.25, 0.8044],
  ]);
  const fleet = readPlan(golden('fleet.json'), []);
  assert.equal(fleet.after, 1795395815291229n);
  assert.equal(fleet.baseline?.environments.get('staging'), 49n);
  assert.equal(fleet.baseline?.profiles.get('heap'), 4n);
  const smallest = readPlan(golden('plan-smallest.json'), []);
  assert.deepEqual([smallest.baseline, smallest.after], [null, null]);
  const { where, because, ...lease } = smallest.leases[0];
  assert.deepEqual([where.size, because.size], [0, 0]);
  assert.deepEqual(lease, {
    id: 'b', kind: 'boost', profile: 'cpu', hz: 99n, since_ms: 1n, expires_at_ms: 9n, fraction: 1, fraction_from: 0,
  });
  const future = readPlan(golden('plan-from-the-future.json'), []);
  assert.deepEqual([future.leases.length, future.skipped.length], [1, 4]);
});

test('a signed plan is read by whoever has its secret or none, and by nobody else', () => {
  const message = golden('plan-signed.json');
  const plan = readPlan(golden('plan.json'), []);
  assert.deepEqual(readPlan(message, secrets('another', 'a shared secret')), plan);
  assert.deepEqual(readPlan(message, []), plan);
  assert.throws(() => readPlan(message, secrets('another')), /fits none/);
  const { plan: signed, sig } = JSON.parse(message.toString());
  for (let at = 0; at < signed.length; at += 1) {
    const changed = signed.slice(0, at) + (signed[at] === 'x' ? 'y' : 'x') + signed.slice(at + 1);
    assert.throws(() => readPlan(Buffer.from(JSON.stringify({ plan: changed, sig })), secrets('a shared secret')));
  }
});

test('every bad plan is refused', () => {
  for (const bad of JSON.parse(golden('bad.json').toString())) {
    if (bad.plan === undefined) continue;
    assert.throws(
      () => readPlan(Buffer.from(bad.plan), bad.secret ? secrets(bad.secret) : []), { name: 'Error' }, bad.name,
    );
  }
  assert.throws(() => readPlan(Buffer.from([0x7b, 0xff, 0x7d]), []), /UTF-8/);
  assert.throws(() => readPlan(Buffer.alloc(4_194_305, 32), []), /at most/);
  assert.throws(() => readPlan(Buffer.from('['.repeat(4_000_000)), []), /levels/);
  const lease = '{"id":"a","kind":"cap","hz":1,"since_ms":1,"expires_at_ms":1}';
  const many = (n) => Buffer.from(`{"v":1,"target":"fleet","rev":1,"now_ms":1,"leases":[${Array(n).fill(lease)}]}`);
  assert.equal(readPlan(many(400), []).leases.length, 400);
  assert.throws(() => readPlan(many(401), []), /at most 400/);
});

test('whole numbers past 2^53 are exact', () => {
  const plan = readPlan(Buffer.from(
    '{"v":1,"target":"fleet","rev":9223372036854775807,"now_ms":9007199254740993}'), []);
  assert.deepEqual([plan.rev, plan.now_ms], [9223372036854775807n, 9007199254740993n]);
});

test('the golden statuses are written', () => {
  for (const name of ['status.json', 'status-failed.json']) { // in the smallest much is left out
    const said = Object.fromEntries(read(golden(name).toString()));
    delete said.v;
    const requested = Object.fromEntries(said.requested);
    requested.profiles = new Map([...requested.profiles].map(([key, it]) => [key, Object.fromEntries(it)]));
    const written = plain(read(writeStatus({
      attributes: new Map(), applied: null, error: null, skipped: [], max_hz: null, sdk: '', ...said,
      requested: { revs: new Map(), ...requested },
    })));
    const expected = JSON.parse(golden(name).toString());
    assert.deepEqual(written, expected, name);
  }
});

test('a plan is taken if it is newer, and keeps what Redis has lost', () => {
  const of = (fields) => ({ target: 'fleet', now_ms: 0n, after: null, leases: [], baseline: null, skipped: [], ...fields });
  const cap = { id: 'cap/1', since_ms: 10n, expires_at_ms: 1000n };
  const held = take(undefined, of({ rev: 10_000n, leases: [cap] }), null);
  assert.equal(take(held, of({ rev: 10_000n }), 20n), held);
  assert.equal(take(held, of({ rev: 20_000n }), 20n).plan.leases.length, 0);
  const after = take(held, of({ rev: 20_000n, after: 5n, now_ms: 20n }), 20n);
  assert.deepEqual([after.plan.leases, [...after.lost]], [[cap], ['cap/1']]);
  const again = take(after, of({ rev: 30_000n, after: 20_000n, now_ms: 30n }), 30n);
  assert.deepEqual(again.plan.leases, [cap]);
  assert.equal(take(again, of({ rev: 40_000n, after: 30_000n, now_ms: 1000n }), 1000n).plan.leases.length, 0);
  const far = take(undefined, of({ rev: 10n ** 18n }), null);
  assert.equal(take(far, of({ rev: 5n }), 20n).plan.rev, 5n);
});

test('a lease that begins far ahead begins now, with its length kept', () => {
  const lease = { since_ms: 100_000n, expires_at_ms: 160_000n };
  assert.equal(bounded(lease, 95_000n), lease);
  assert.deepEqual(bounded(lease, 94_999n), { since_ms: 94_999n, expires_at_ms: 154_999n });
});

test('a slow answer does not spoil what a quick one gave', () => {
  const clock = new Clock(1e9, 0);
  clock.pushed(5_000n, 0);
  assert.equal(clock.nowMs(10), 5_010n);
  clock.answered(1_000_000, 100, 102);
  assert.equal(clock.offset, 999_899);
  clock.answered(1_003_000, 200, 4_000);
  assert.equal(clock.offset, 999_899);
});

test('the steady clock counts what the machine slept', () => {
  let [ticking, uptime] = [0, 50_000];
  const steady = new Steady(() => ticking, () => uptime);
  ticking = 1_000; uptime = 51_010;
  steady.look();
  assert.equal(steady.now(), 1_000);
  uptime += 60_000;
  steady.look();
  assert.equal(steady.now(), 61_010);
});

test('names are those of the page', () => {
  assert.equal(keyOf('upshift', 'service/~a+{b}', 'plan'), 'upshift:v1:{service/%7Ea%2B%7Bb%7D}:plan');
  assert.equal(keyOf('upshift', 'node/Zürich', 'plan'), 'upshift:v1:{node/Z%C3%BCrich}:plan');
  assert.deepEqual(['fleet/eu', 'checkout', 'service/', 'service/a\nb', `service/${'ü'.repeat(125)}`].map(isTarget), Array(5).fill(false));
  assert.ok(isTarget('service/Zürich 😀/b'));
  assert.equal(clean('two\nlines', 100), 'two lines');
  assert.equal(clean('\u001b[2J', 100), '\ufffd[2J');
  assert.equal(clean('a\u202eb', 100), 'a\ufffdb');
  assert.equal(clean('a\u2028b\tc', 100), 'a b c');
  assert.equal(clean('checkout', 5), 'chec…');
  assert.equal(clean('😀😀😀', 3), '😀😀😀');
  assert.equal(clean('😀\ud83d', 3), '😀\ufffd');
  assert.equal(versionOf(new Map([['service.name', 'é"</'], ['service.version', '7'], ['deployment.environment', 'staging']])),
    '{"deployment.environment.name":"staging","service.name":"é\\"</","service.version":"7"}');
  assert.equal(versionOf(new Map([['service.name', 'a'], ['service.version', 'two\nlines']])), null);
});
