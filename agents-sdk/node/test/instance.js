'use strict';
// The program of the reliability rows (tests/reliability/parts/languages.py says what it does).

const { appendFileSync } = require('node:fs');
const { monitorEventLoopDelay } = require('node:perf_hooks');
const { start } = require('../src/index.js');

const [kind, redisUrl, ...more] = process.argv.slice(2);
const steady = () => Number(process.hrtime.bigint()) / 1e9;
const secrets = process.env.UPSHIFT_SECRETS?.split(',').filter((it) => it !== '');
const common = { redisUrl, secrets: secrets?.length ? secrets : undefined };
const nap = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000).unref());

function agents([service, output, ...instances]) {
  return instances.map((instance) => start({
    ...common,
    service,
    attributes: { 'service.instance.id': instance },
    driver: (decision) => appendFileSync(output, `${JSON.stringify({ instance, at_s: steady(), hz: decision.hz, lease: decision.lease })}\n`),
  }));
}

function application([does, slow, output]) {
  if (does === 'none') return [];
  return [start({
    ...common,
    service: 'checkout',
    async driver(decision) {
      appendFileSync(output, `${JSON.stringify({ hz: decision.hz, at_s: steady() })}\n`);
      if (decision.hz === 19) return;
      if (does === 'raises') throw new Error('no permission to profile');
      if (does === 'hangs') await new Promise(() => {});
      await nap(Number(slow));
    },
  })];
}

let longest = 0;
const called = (act) => {
  const began = steady();
  const said = act();
  longest = Math.max(longest, steady() - began);
  return said;
};
const delay = monitorEventLoopDelay({ resolution: 1 });
const running = called(() => (kind === 'agent' ? agents(more) : application(more)));
const waiting = setInterval(() => {
  if (!running.every((it) => it.connected)) return;
  clearInterval(waiting);
  delay.enable();
  if (kind === 'application') console.log(JSON.stringify({ ready: true }));
}, 20);
const alive = setInterval(() => running.forEach((it) => called(() => it.status)), 1000);
process.on('SIGTERM', async () => {
  clearInterval(waiting);
  clearInterval(alive);
  if (kind === 'application') console.log(JSON.stringify({ stall_s: delay.max / 1e9, call_s: longest }));
  await Promise.all(running.map((it) => it.stop()));
  process.exit(0);
});
