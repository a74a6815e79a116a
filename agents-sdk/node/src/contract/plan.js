'use strict';
// Plans: read from messages, checked, and taken or not.

const { createHmac, timingSafeEqual } = require('node:crypto');
const { Refused, read } = require('./json.js');
const { clean, isTarget } = require('./text.js');

/**
 * @typedef {import('./json.js').Json} Json
 * @typedef {'cpu' | 'wall' | 'alloc' | 'lock' | 'heap'} Profile
 * @typedef {{
 *   id: string, kind: 'boost' | 'pin' | 'cap', profile: Profile | 'all', hz: bigint,
 *   since_ms: bigint, expires_at_ms: bigint, where: Map<string, string | string[]>,
 *   fraction: number, fraction_from: number, because: Map<string, Json>
 * }} Lease
 * @typedef {{
 *   default: bigint, environments: Map<string, bigint>, profiles: Map<string, bigint>
 * }} Baseline
 * @typedef {{
 *   target: string, rev: bigint, now_ms: bigint, after: bigint | null, leases: Lease[],
 *   baseline: Baseline | null, skipped: string[]
 * }} Plan
 */

const LONGEST = 4_194_304; // bytes
const MOST_LEASES = 400;
const LARGEST = 2n ** 63n - 1n;
/** @type {readonly Profile[]} */
const PROFILES = ['cpu', 'wall', 'alloc', 'lock', 'heap'];
const KINDS = ['boost', 'pin', 'cap'];
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }); // a mark is left in, and refused

/** @param {Json | undefined} value */
function shown(value) {
  if (value === undefined) return 'nothing';
  if (value instanceof Map) return 'an object';
  if (Array.isArray(value)) return 'a list';
  return clean(typeof value === 'string' ? `'${value}'` : String(value), 100);
}

/** @param {Json | undefined} value @param {string} name @returns {bigint} */
function whole(value, name) {
  if (typeof value === 'bigint' && value >= 0n && value <= LARGEST) return value;
  throw new Refused(`${name} must be a whole number from 0 up, got ${shown(value)}`);
}

/** @param {Json | undefined} value @param {string} name @returns {string} */
function text(value, name) {
  if (typeof value === 'string') return value;
  throw new Refused(`${name} must be a string, got ${shown(value)}`);
}

/** @param {Json | undefined} value @param {string} name @returns {Map<string, Json>} */
function object(value, name) {
  if (value instanceof Map) return value;
  throw new Refused(`${name} must be an object, got ${shown(value)}`);
}

/** @param {Json | undefined} value @param {string} name @returns {number} */
function number(value, name) {
  if (typeof value === 'number' || typeof value === 'bigint') return Number(value);
  throw new Refused(`${name} must be a number, got ${shown(value)}`);
}

/** @param {Map<string, Json>} found @param {string} name @returns {Map<string, bigint>} */
const frequencies = (found, name) =>
  new Map([...found].map(([key, value]) => [key, whole(value, `${name}.${clean(key, 100)}`)]));

/** @param {Json} document @returns {Baseline} */
function readBaseline(document) {
  const found = object(document, 'baseline');
  return {
    default: whole(found.get('default'), 'baseline.default'),
    environments: frequencies(
      object(found.get('environments') ?? absent(found, 'environments', new Map()), 'baseline.environments'),
      'baseline.environments',
    ),
    profiles: frequencies(
      object(found.get('profiles') ?? absent(found, 'profiles', new Map()), 'baseline.profiles'),
      'baseline.profiles',
    ),
  };
}

/**
 * @param {Map<string, Json>} found
 * @param {string} name
 * @param {Json} meant if the field is not there; `null` that is written out stays one
 * @returns {Json}
 */
const absent = (found, name, meant) => (found.has(name) ? null : meant);

/** @param {Json} document @param {string[]} skipped @returns {Lease | null} null for one that is skipped */
function readLease(document, skipped) {
  const found = object(document, 'lease');
  const kind = text(found.get('kind'), 'lease.kind');
  const profile = found.has('profile') ? found.get('profile') : 'cpu';
  const known = typeof profile === 'string' &&
    (PROFILES.includes(/** @type {Profile} */ (profile)) || (profile === 'all' && kind === 'cap'));
  if (!KINDS.includes(kind) || !known) {
    const what = KINDS.includes(kind) ? `profile ${shown(profile)}` : `kind '${kind}'`;
    skipped.push(clean(`lease ${shown(found.get('id'))}: unknown ${what}`, 500));
    return null;
  }
  /** @type {Map<string, string | string[]>} */
  const where = new Map();
  for (const [name, value] of object(found.get('where') ?? absent(found, 'where', new Map()), 'lease.where')) {
    const list = Array.isArray(value) && value.every((it) => typeof it === 'string');
    if (typeof value !== 'string' && !list) {
      throw new Refused(
        `lease.where['${clean(name, 100)}'] must be a string or a list of strings, got ${shown(value)}`,
      );
    }
    where.set(name, /** @type {string | string[]} */ (value));
  }
  const fraction = number(found.get('fraction') ?? absent(found, 'fraction', 1), 'lease.fraction');
  if (!(fraction > 0 && fraction <= 1)) {
    throw new Refused(`lease.fraction must be above 0 and at most 1, got ${fraction}`);
  }
  const from = number(found.get('fraction_from') ?? absent(found, 'fraction_from', 0), 'lease.fraction_from');
  if (!(from >= 0 && from < 1)) {
    throw new Refused(`lease.fraction_from must be from 0 to below 1, got ${from}`);
  }
  return {
    id: text(found.get('id'), 'lease.id'),
    kind: /** @type {Lease['kind']} */ (kind),
    profile: /** @type {Lease['profile']} */ (profile),
    hz: whole(found.get('hz'), 'lease.hz'),
    since_ms: whole(found.get('since_ms'), 'lease.since_ms'),
    expires_at_ms: whole(found.get('expires_at_ms'), 'lease.expires_at_ms'),
    where,
    fraction,
    fraction_from: from,
    because: object(found.get('because') ?? absent(found, 'because', new Map()), 'lease.because'),
  };
}

/** @param {Buffer} message @returns {Map<string, Json>} */
function documentOf(message) {
  if (message.length > LONGEST) {
    throw new Refused(`a message has at most ${LONGEST} bytes, got ${message.length}`);
  }
  let decoded;
  try {
    decoded = UTF8.decode(message);
  } catch {
    throw new Refused('not UTF-8');
  }
  return object(read(decoded), 'plan');
}

/** @param {string} signed @param {string} sig @param {Buffer} secret @returns {boolean} */
function fits(signed, sig, secret) {
  const expected = createHmac('sha256', secret).update(signed).digest('hex');
  const [one, other] = [Buffer.from(expected), Buffer.from(sig)];
  return one.length === other.length && timingSafeEqual(one, other);
}

/**
 * @param {Buffer} message as it came from Redis
 * @param {readonly Buffer[]} secrets none: signatures are not looked at
 * @returns {Plan} throws `Refused` with a reason for people
 */
function readPlan(message, secrets) {
  let found = documentOf(message);
  if (found.has('sig')) {
    const signed = text(found.get('plan'), 'message.plan');
    if (secrets.length > 0) {
      const sig = text(found.get('sig'), 'message.sig');
      // All are tried, so that the time taken does not tell which one fitted.
      if (!secrets.map((secret) => fits(signed, sig, secret)).includes(true)) {
        throw new Refused("this plan's signature fits none of the secrets set");
      }
    }
    found = documentOf(Buffer.from(signed));
  } else if (secrets.length > 0) {
    throw new Refused('this plan is not signed, and a secret is set');
  }
  if (found.get('v') !== 1n) throw new Refused(`plan version must be 1, got ${shown(found.get('v'))}`);
  const target = text(found.get('target'), 'plan.target');
  if (!isTarget(target)) {
    throw new Refused(`a target is service/NAME, node/NAME or fleet, got ${shown(target)}`);
  }
  const listed = found.get('leases') ?? absent(found, 'leases', []);
  if (!Array.isArray(listed)) throw new Refused(`plan.leases must be a list, got ${shown(listed)}`);
  if (listed.length > MOST_LEASES) {
    throw new Refused(`a plan has at most ${MOST_LEASES} leases, got ${listed.length}`);
  }
  const after = found.get('after') ?? null;
  const baseline = found.get('baseline') ?? null;
  /** @type {string[]} */
  const skipped = [];
  return {
    target,
    rev: whole(found.get('rev'), 'plan.rev'),
    now_ms: whole(found.get('now_ms'), 'plan.now_ms'),
    after: after === null ? null : whole(after, 'plan.after'),
    leases: listed.map((it) => readLease(it, skipped)).filter((it) => it !== null),
    baseline: baseline === null ? null : readBaseline(baseline),
    skipped,
  };
}

module.exports = { PROFILES, readPlan };
