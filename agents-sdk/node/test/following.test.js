'use strict';
// Against a real Valkey, UPSHIFT_TEST_VALKEY: the server's program.
const { test, before, after } = require('node:test');
const assert = require('node:assert/strict');
const { spawn, spawnSync } = require('node:child_process');
const { once } = require('node:events');
const { createHmac } = require('node:crypto');
const net = require('node:net');
const path = require('node:path');
const { Redis } = require('ioredis');
const { start } = require('../src/index.js');

const SERVER = process.env.UPSHIFT_TEST_VALKEY;
const needs = { skip: SERVER ? false : 'UPSHIFT_TEST_VALKEY names no server' };
const quiet = { info() {}, warn() {} };

async function freePort() {
  const probe = net.createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  probe.close();
  await once(probe, 'close');
  return port;
}

async function serve(port) {
  const process_ = spawn(SERVER, ['--port', String(port), '--save', '', '--bind', '127.0.0.1'], { stdio: 'ignore' });
  await until(() => new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1', () => { socket.destroy(); resolve(true); });
    socket.on('error', () => resolve(false));
  }));
  return process_;
}

async function until(claim, ms = 15_000) {
  const end = performance.now() + ms;
  let why;
  while (performance.now() < end) {
    try {
      const said = await claim();
      if (said) return said;
    } catch (error) { why = error; }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw why ?? new Error(`not within ${ms} ms: ${claim}`);
}

let port, server, redis, url;
before(async () => {
  if (!SERVER) return;
  port = await freePort();
  server = await serve(port);
  url = `redis://127.0.0.1:${port}`;
  redis = new Redis(port, '127.0.0.1', { protocol: 2 });
  redis.on('error', () => {});
});
after(() => { redis?.disconnect(); server?.kill('SIGKILL'); });

async function plan(target, { hz = 100, forMs = 60_000, secret, kind = 'boost', change = (it) => it, silently = false }) {
  const [seconds, micros] = (await redis.time()).map(Number);
  const now = seconds * 1000 + Math.floor(micros / 1000);
  const text = JSON.stringify(change({
    v: 1, target, rev: seconds * 1_000_000 + micros, now_ms: now, leases: [
      { id: `${kind}/1`, kind, hz, since_ms: now, expires_at_ms: now + forMs, because: { alertname: 'HighCPU' } },
    ],
  }));
  const message = secret
    ? JSON.stringify({ plan: text, sig: createHmac('sha256', secret).update(text).digest('hex') }) : text;
  const key = `upshift:v1:{${target}}`;
  await redis.set(`${key}:plan`, message);
  if (!silently) await redis.publish(`${key}:changes`, message);
}

function agent(service, more = {}) {
  const seen = [];
  const it = start({ redisUrl: url, service, logger: quiet, driver: (decision) => { seen.push(decision.hz); }, ...more });
  return { it, seen };
}
const reports = async (service) =>
  Object.values(await redis.hgetall(`upshift:v1:{service/${service}}:agents`)).map((it) => JSON.parse(it));

test('a boost is pushed, reported, ends by itself, and the report is taken back', needs, async () => {
  const { it, seen } = agent('pushed');
  await until(() => it.connected);
  await plan('service/pushed', { forMs: 1_500 });
  await until(() => seen.at(-1) === 100);
  await until(async () => (await reports('pushed'))[0]?.applied?.profiles.cpu.hz === 100);
  const [said] = await reports('pushed');
  assert.equal(said.state, 'applied');
  assert.equal(said.requested.profiles.cpu.reason, 'boost/1: alert HighCPU');
  assert.ok(await redis.zscore('upshift:v1:reporting', 'service/pushed'));
  await until(() => seen.at(-1) === 19);
  assert.deepEqual(seen, [19, 100, 19]);
  await it.stop();
  assert.deepEqual(await reports('pushed'), []);
});

test('a plan that was there before is read, and max_hz binds', needs, async () => {
  await plan('service/read', { silently: true });
  const { it, seen } = agent('read', { maxHz: 50 });
  await until(() => seen.at(-1) === 50);
  assert.match(it.decisions.cpu.reason, /held to this agent's max_hz, asked for 100 Hz/);
  await it.stop();
});

test('signed plans are taken, others are refused and told', needs, async () => {
  const { it, seen } = agent('signed', { secrets: ['other', 'secret'] });
  await until(() => it.connected);
  await plan('service/signed', { secret: 'wrong' });
  await until(async () => (await reports('signed'))[0]?.skipped.length === 1);
  await plan('service/signed', { secret: 'secret' });
  await until(() => seen.at(-1) === 100);
  await until(async () => (await reports('signed'))[0]?.skipped.length === 0);
  await plan('service/signed', { secret: 'secret', hz: 200, change: (it) => ({ ...it, now_ms: it.now_ms - 31_000 }) });
  await until(async () => (await reports('signed'))[0]?.requested.profiles.cpu.hz === 200); // stale pushed, but read
  await it.stop();
});

test('garbage and a later version change nothing', needs, async () => {
  const { it, seen } = agent('garbage');
  await until(() => it.connected);
  await plan('service/garbage', {});
  await until(() => seen.at(-1) === 100);
  for (const bad of ['', '{', '\xff', '[]', '{"v":2}', '{"v":1}', `{"a":${'['.repeat(100_000)}`]) {
    await redis.publish('upshift:v1:{service/garbage}:changes', bad);
  }
  await redis.set('upshift:v1:{node/nothing}:plan', 'x');
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(it.decisions.cpu.hz, 100);
  await it.stop();
});

test('with Redis killed a boost ends on time, and all is read anew when it is back', needs, async () => {
  const { it, seen } = agent('killed');
  await until(() => it.connected);
  await plan('service/killed', { forMs: 2_000 });
  await until(() => seen.at(-1) === 100);
  server.kill('SIGKILL');
  await once(server, 'exit');
  await until(() => seen.at(-1) === 19, 4_000);
  assert.equal(it.connected, false);
  server = await serve(port);
  await until(async () => (await redis.ping()) === 'PONG');
  await plan('service/killed', {});
  await until(() => seen.at(-1) === 100);
  await it.stop();
});

test('without Redis the driver runs at the baseline, and a failing one is a NACK', needs, async () => {
  const seen = [];
  const it = start({
    redisUrl: 'redis://127.0.0.1:1', service: 'alone', logger: quiet, baselineHz: 29,
    driver: (decision) => { seen.push(decision.hz); throw new Error('no permission'); },
  });
  await until(() => it.status.state === 'failed');
  assert.equal(it.status.error, 'Error: no permission');
  assert.equal(seen[0], 29);
  await it.stop();
});

test('an agent keeps no process alive, and register throws nothing', needs, () => {
  const env = { ...process.env, UPSHIFT_REDIS_URL: url, OTEL_SERVICE_NAME: 'short', UPSHIFT_DRIVER: 'pprof' };
  const run = (code, more) => spawnSync(process.execPath, ['--require', path.join(__dirname, '..', 'register.js'), '-e', code], {
    env: { ...env, ...more }, encoding: 'utf8', timeout: 20_000,
  });
  for (const more of [{}, { UPSHIFT_REDIS_URL: 'redis://127.0.0.1:1' }]) {
    const done = run('setTimeout(() => console.log("done"), 300)', more);
    assert.equal(done.status, 0, done.stderr);
    assert.equal(done.stdout.trim(), 'done');
  }
  const wrong = run('console.log("runs")', { UPSHIFT_REDIS_URL: 'nonsense' });
  assert.equal(wrong.stdout.trim(), 'runs');
  assert.match(wrong.stderr, /upshift_agent: no agent: the Redis URL cannot be read/);
});
