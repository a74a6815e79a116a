'use strict';
const { test } = require('node:test');
const assert = require('node:assert/strict');
const { PprofDriver, which } = require('../src/drivers/pprof.js');

const decisions = (said) => new Map(Object.entries(said).map(([profile, hz]) => [profile, { profile, hz }]));
function busyHere(ms) {
  const end = performance.now() + ms;
  let sum = 0;
  while (performance.now() < end) for (let i = 0; i < 10_000; i += 1) sum += Math.sqrt(i);
  return sum;
}

test('of cpu and wall the one runs that a lease asks for, else cpu', () => {
  const of = (cpu, wall) => which(new Map([['cpu', cpu], ['wall', wall]]));
  const [base, boost, off] = [{ hz: 19, kind: null }, { hz: 100, kind: 'boost' }, { hz: 0, kind: null }];
  assert.deepEqual([of(base, off), of(off, boost), of(base, boost), of(boost, boost), of(base, base), of(off, off)],
    ['cpu', 'wall', 'wall', 'cpu', 'cpu', null]);
});

test('the real profiler has a window of one period for each frequency', async () => {
  const windows = [];
  const driver = new PprofDriver({ onWindow: (it) => windows.push(it) });
  driver.identify({ 'service.name': 'checkout' });
  for (const hz of [19, 100, 19]) {
    await driver.apply(decisions({ cpu: hz, wall: 0, heap: 0 }));
    for (let i = 0; i < 10; i += 1) { busyHere(50); await new Promise((resolve) => setImmediate(resolve)); }
  }
  await driver.apply(decisions({ cpu: 0, wall: 0, heap: 3600 }));
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  await driver.close();
  assert.deepEqual(windows.map((it) => [it.profile, it.hz]), [['cpu', 19], ['cpu', 100], ['cpu', 19], ['heap', 3600]]);
  assert.ok(windows.every((it) => it.pprof.length > 100 && it.until >= it.from && it.tags.service_name === 'checkout'));
});

test('a sampler that somebody else has is said, and nothing is taken from him', async () => {
  const { time } = require('@datadog/pprof');
  time.start({ intervalMicros: 10_000 });
  const driver = new PprofDriver({ onWindow() {} });
  await assert.rejects(driver.apply(decisions({ cpu: 19 })), /another profiler/);
  time.stop(false);
  await driver.apply(decisions({ cpu: 19 }));
  await driver.close();
});

test('the real @pyroscope/nodejs sends what it has at each change, and ends', async () => {
  const http = require('node:http');
  const { PyroscopeDriver } = require('../src/drivers/pyroscope.js');
  const paths = [];
  const server = http.createServer((request, answer) => {
    request.resume().on('end', () => { paths.push(request.url); answer.end(); });
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const driver = new PyroscopeDriver({ serverAddress: `http://127.0.0.1:${server.address().port}` });
  driver.identify({ 'service.name': 'checkout' });
  for (const hz of [19, 100, 0]) {
    await driver.apply(decisions({ cpu: hz }));
    if (hz > 0) busyHere(300);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await driver.close();
  server.close();
  server.closeAllConnections();
  const walls = paths.filter((it) => decodeURIComponent(it).includes('checkout{'));
  assert.ok(walls.length >= 2, paths.join(' '));
});
