'use strict';
// Which plan holds, and what becomes of it when Redis's clock was set back.

/**
 * @typedef {import('./plan.js').Plan} Plan
 * @typedef {import('./plan.js').Lease} Lease
 * @typedef {{ plan: Plan, lost: ReadonlySet<string> }} Held `lost`: ids held though Redis has lost them
 */

const A_DAY_MS = 86_400_000n;
const AHEAD_MS = 5_000n;

/**
 * @param {Held | undefined} held
 * @param {Plan} plan
 * @param {bigint | null} nowMs Redis time, once Redis has answered TIME
 * @returns {Held} the very `held` where the plan is no news
 */
function take(held, plan, nowMs) {
  if (held === undefined) return { plan, lost: new Set() };
  const { plan: before, lost } = held;
  const aDayOn = nowMs === null ? null : (nowMs + A_DAY_MS) * 1000n;
  const lostTime = aDayOn !== null && plan.rev <= aDayOn && aDayOn < before.rev;
  if (plan.rev <= before.rev && !lostTime) return held;
  const listed = new Set(plan.leases.map((lease) => lease.id));
  const after = plan.after;
  const kept = after === null ? [] : before.leases.filter(
    (lease) =>
      !listed.has(lease.id) && lease.expires_at_ms > plan.now_ms &&
      (lost.has(lease.id) || lease.since_ms * 1000n > after),
  );
  return {
    plan: { ...plan, leases: [...plan.leases, ...kept] },
    lost: new Set(kept.map((lease) => lease.id)),
  };
}

/** @param {Lease} lease @param {bigint} nowMs @returns {Lease} */
function bounded(lease, nowMs) {
  if (lease.since_ms <= nowMs + AHEAD_MS) return lease;
  return { ...lease, since_ms: nowMs, expires_at_ms: nowMs + lease.expires_at_ms - lease.since_ms };
}

/** @param {Held} held @param {bigint} nowMs @returns {Held} with no lease that begins far ahead */
function heldAt(held, nowMs) {
  const leases = held.plan.leases.map((lease) => bounded(lease, nowMs));
  if (leases.every((lease, index) => lease === held.plan.leases[index])) return held;
  return { ...held, plan: { ...held.plan, leases } };
}

module.exports = { bounded, heldAt, take };
