'use strict';
// A busy application: calculates, and lets its event loop turn every 20 ms.
function busyHere(ms) {
  const end = performance.now() + ms;
  let sum = 0;
  while (performance.now() < end) for (let i = 0; i < 10_000; i += 1) sum += Math.sqrt(i);
  return sum;
}
setInterval(() => busyHere(20), 0);
process.on('SIGTERM', () => process.exit(0));
