'use strict';
// node --require upshift-agent/register: an agent by the environment alone, and nothing thrown.

const { isMainThread } = require('node:worker_threads');

if (isMainThread) {
  try {
    const agent = require('./src/index.js').start();
    process.once('beforeExit', () => {
      const held = setTimeout(() => {}, 250); // the exit waits for this at most
      void agent.stop().finally(() => clearTimeout(held));
    });
  } catch (error) {
    console.warn(`upshift_agent: no agent: ${error instanceof Error ? error.message : error}`);
  }
}
