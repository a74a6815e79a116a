'use strict';
// What an agent says of itself.

const { write } = require('./json.js');
const { clean } = require('./text.js');

/**
 * @typedef {import('./resolve.js').Answer} Answer
 * @typedef {{ hz: bigint, achieved_hz: number | null }} Confirmed
 * @typedef {{ revs: ReadonlyMap<string, bigint>, at_ms: bigint, profiles: ReadonlyMap<string, Confirmed> }} Applied
 * @typedef {{
 *   instance: string, attributes: ReadonlyMap<string, string>, driver: string, at_ms: bigint,
 *   state: 'applying' | 'applied' | 'failed', since_ms: bigint,
 *   requested: { revs: ReadonlyMap<string, bigint>, profiles: ReadonlyMap<string, Pick<Answer, 'hz' | 'until_ms' | 'clamped_from' | 'reason'> & { lease: string | null }> },
 *   applied: Applied | null, error: string | null, skipped: readonly string[], max_hz: bigint | null, sdk: string
 * }} Status
 */

/** @param {Status} status @returns {string} the message */
function writeStatus(status) {
  return write({
    v: 1,
    ...status,
    driver: clean(status.driver, 100),
    requested: {
      revs: status.requested.revs,
      profiles: new Map([...status.requested.profiles].map(([name, it]) => [name, {
        hz: it.hz, lease: it.lease, reason: it.reason, until_ms: it.until_ms, clamped_from: it.clamped_from,
      }])),
    },
    error: status.error === null ? null : clean(status.error, 500),
    profiler: null, // each agent here has its own
  });
}

/** @param {number | null | undefined} hz what a profiler says that it does @returns {number | null} */
const achieved = (hz) =>
  typeof hz === 'number' && Number.isFinite(hz) ? Math.min(Math.max(hz, 0), 1e9) : null;

module.exports = { achieved, writeStatus };
