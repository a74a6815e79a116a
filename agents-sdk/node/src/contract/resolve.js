'use strict';
// The one place where a frequency is decided: pure, and handed the time.

const { createHash } = require('node:crypto');
const { FLEET, clean, compare, presentNames } = require('./text.js');

/**
 * @typedef {import('./plan.js').Plan} Plan
 * @typedef {import('./plan.js').Lease} Lease
 * @typedef {import('./plan.js').Baseline} Baseline
 * @typedef {import('./plan.js').Profile} Profile
 * @typedef {{ width: number, lease: Lease }} Claim
 * @typedef {{
 *   profile: Profile, hz: bigint, lease: Lease | null, until_ms: bigint | null,
 *   clamped_from: bigint | null, reason: string
 * }} Answer
 */

const OF_AN_INSTANCE = ['service.instance.id', 'k8s.pod.name', 'upshift.agent.id', 'process.pid'];

/**
 * @param {Iterable<Plan>} plans
 * @param {ReadonlyMap<string, string>} given attributes
 * @param {Baseline} own
 * @param {bigint | null} localMax
 * @param {bigint} nowMs
 * @param {Profile} profile
 * @returns {Answer}
 */
function resolve(plans, given, own, localMax, nowMs, profile) {
  const attributes = presentNames(given);
  let baseline = own;
  /** @type {Claim[]} */
  const claims = [];
  for (const plan of plans) {
    if (plan.target === FLEET && plan.baseline !== null) baseline = plan.baseline;
    for (const lease of plan.leases) {
      const ofThis = lease.profile === profile || lease.profile === 'all';
      if (ofThis && nowMs < lease.expires_at_ms && applies(lease, attributes)) {
        claims.push({ width: width(plan.target, lease), lease });
      }
    }
  }
  const [baseHz, of] = base(baseline, attributes, profile);
  const lease = decisive(claims, baseHz);
  const asked = lease === null ? baseHz : lease.hz;
  const clamped = localMax !== null && asked > localMax;
  let reason = clean(lease === null ? `baseline (${of})` : because(lease), 1000);
  if (clamped) {
    reason += `; held to this agent's max_hz, asked for ${asked} ${profile === 'heap' ? 'an hour' : 'Hz'}`;
  }
  return {
    profile,
    hz: clamped ? localMax : asked,
    lease,
    until_ms: nextChange(claims, baseHz, lease),
    clamped_from: clamped ? asked : null,
    reason,
  };
}

/** @param {Baseline} baseline @param {Map<string, string>} attributes @param {Profile} profile @returns {[bigint, string]} */
function base(baseline, attributes, profile) {
  if (profile !== 'cpu') {
    const hz = baseline.profiles.get(profile);
    return hz === undefined ? [0n, 'off'] : [hz, profile];
  }
  const environment = attributes.get('deployment.environment.name') ?? '';
  const hz = baseline.environments.get(environment);
  return hz === undefined ? [baseline.default, 'default'] : [hz, environment];
}

/** @param {Claim[]} claims @param {bigint} baseHz @param {Lease | null} lease @returns {bigint | null} */
function nextChange(claims, baseHz, lease) {
  const ends = [...new Set(claims.map((it) => it.lease.expires_at_ms))].sort((a, b) => (a < b ? -1 : 1));
  for (const end of ends) {
    const left = claims.filter((it) => end < it.lease.expires_at_ms);
    if (decisive(left, baseHz) !== lease) return end;
  }
  return null;
}

/** @param {bigint | number} a @param {bigint | number} b */
const order = (a, b) => (a < b ? -1 : a > b ? 1 : 0);

/** @param {Lease[]} leases @param {(a: Lease, b: Lease) => number} by @returns {Lease | null} the greatest */
const greatest = (leases, by) =>
  leases.reduce((/** @type {Lease | null} */ best, it) => (best === null || by(it, best) > 0 ? it : best), null);

/** @param {Claim[]} claims @param {bigint} baseHz @returns {Lease | null} null: the baseline */
function decisive(claims, baseHz) {
  const of = (/** @type {string} */ kind) => claims.map((it) => it.lease).filter((it) => it.kind === kind);
  const widths = new Map(claims.map((it) => [it.lease, it.width]));
  const wide = (/** @type {Lease} */ it) => widths.get(it) ?? 0;
  let lease = greatest(
    of('boost').filter((it) => it.hz > baseHz),
    (a, b) => order(a.hz, b.hz) || order(a.expires_at_ms, b.expires_at_ms) || compare(a.id, b.id),
  );
  lease = greatest(
    of('pin'),
    (a, b) => order(wide(a), wide(b)) || order(a.since_ms, b.since_ms) || compare(a.id, b.id),
  ) ?? lease;
  const cap = greatest(
    of('cap'),
    (a, b) => order(b.hz, a.hz) || order(a.expires_at_ms, b.expires_at_ms) || compare(b.id, a.id),
  );
  return cap !== null && cap.hz < (lease === null ? baseHz : lease.hz) ? cap : lease;
}

/** @param {string} target @param {Lease} lease */
function width(target, lease) {
  if (OF_AN_INSTANCE.some((name) => lease.where.has(name))) return 2;
  return target === FLEET ? 0 : 1;
}

/** @param {Lease} lease @param {Map<string, string>} attributes */
function applies(lease, attributes) {
  for (const [name, wanted] of presentNames(lease.where)) {
    const value = attributes.get(name);
    if (value === undefined || !(typeof wanted === 'string' ? wanted === value : wanted.includes(value))) {
      return false;
    }
  }
  return selected(lease, attributes.get('upshift.agent.id') ?? '');
}

/** @param {Lease} lease @param {string} agentId */
function selected(lease, agentId) {
  if (lease.fraction >= 1) return true;
  let beyond = share(lease, agentId) - lease.fraction_from;
  if (beyond < 0) beyond += 1;
  return beyond < lease.fraction;
}

/** @param {Lease} lease @param {string} agentId @returns {number} its place on the lease's circle, from 0 to below 1 */
function share(lease, agentId) {
  const digest = createHash('sha256').update(`${lease.id}\n${lease.since_ms}\n${agentId}`).digest();
  return Number(digest.readBigUInt64BE() >> 11n) / 2 ** 53;
}

/** @param {Lease} lease @returns {string} why, in words for people */
function because(lease) {
  const said = (/** @type {string} */ name) => {
    const value = lease.because.get(name);
    const told = (typeof value === 'string' && value !== '') || (typeof value === 'bigint' && value !== 0n);
    return told ? String(value) : null;
  };
  const parts = [
    ['alertname', 'alert '], ['reason', ''], ['by', 'by '], ['via', 'via '],
  ].flatMap(([name, before]) => (said(name) === null ? [] : [`${before}${said(name)}`]));
  const named = lease.id.startsWith(`${lease.kind}/`) ? lease.id : `${lease.kind} ${lease.id}`;
  return parts.length > 0 ? `${named}: ${parts.join(', ')}` : named;
}

module.exports = { resolve, share };
