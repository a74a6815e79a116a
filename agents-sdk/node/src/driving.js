'use strict';
// The driver's calls: one at a time, always with the newest decisions, and nothing waits for them.

const { achieved } = require('./contract/status.js');
const { describe } = require('./errors.js');
const { clean } = require('./contract/text.js');

/**
 * @typedef {import('./contract/plan.js').Profile} Profile
 * @typedef {import('./contract/resolve.js').Answer} Answer
 * @typedef {import('./contract/status.js').Applied} Applied
 * @typedef {import('../index').Driver} Driver
 * @typedef {import('../index').Decision} Decision
 */

const HUNG_MS = 4_000;
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 30_000;

/** @param {number} failures from 1 @returns {number} ms until the call is repeated */
const pauseAfter = (failures) => {
  const pause = FIRST_PAUSE_MS * 2 ** (failures - 1);
  return pause > 16_000 ? LONGEST_PAUSE_MS : pause;
};

class Driving {
  /** @type {Applied | null} */
  applied = null;
  /** @type {ReadonlyMap<Profile, Answer>} */
  #wanted = new Map();
  /** @type {ReadonlyMap<string, bigint>} */
  #revs = new Map();
  #known = false; // whether `applied` is what the profiler does
  /** @type {string | null} */
  #failure = null;
  #failures = 0;
  #retryAt = 0;
  /** @type {number | null} */
  #calledAt = null;
  /** @type {Map<Profile, number>} */
  #before = new Map();

  /** @param {Driver} driver @param {() => void} changed called when a call has ended */
  constructor(driver, changed) {
    this.driver = driver;
    this.changed = changed;
  }

  /** @param {ReadonlyMap<Profile, Answer>} answers @param {ReadonlyMap<string, bigint>} revs */
  want(answers, revs) {
    const anew = [...answers].some(([profile, it]) => this.#wanted.get(profile)?.hz !== it.hz);
    this.#wanted = answers;
    this.#revs = revs;
    if (anew) {
      this.#failures = 0;
      this.#retryAt = 0;
    }
    if (this.applied !== null && this.#holds()) this.applied = { ...this.applied, revs };
  }

  #holds() {
    const applied = this.applied;
    return (
      this.#known && applied !== null &&
      [...this.#wanted].every(([profile, it]) => applied.profiles.get(profile)?.hz === it.hz)
    );
  }

  /** Calls the driver if there is need to. @param {number} now steady ms @param {() => bigint} redisMs */
  pump(now, redisMs) {
    if (this.#calledAt !== null || this.#wanted.size === 0 || this.#holds() || now < this.#retryAt) return;
    const [wanted, revs] = [this.#wanted, this.#revs];
    this.#calledAt = now;
    const decisions = new Map([...wanted].map(([profile, it]) => [profile, this.#decision(profile, it)]));
    const ended = (/** @type {string | null} */ failure, /** @type {number} */ pause) => {
      this.#calledAt = null;
      this.#failure = failure;
      this.#known = failure === null;
      if (failure !== null) {
        // Other decisions may have come meanwhile: those are tried at once.
        const overtaken = [...wanted].some(([profile, it]) => this.#wanted.get(profile)?.hz !== it.hz);
        this.#failures += 1;
        this.#retryAt = overtaken ? 0 : now + pause;
      }
      this.changed();
    };
    new Promise((resolve) => resolve(this.driver.apply(decisions))).then(
      (said) => {
        const told = /** @type {Record<string, number> | null | undefined} */ (
          typeof said === 'object' ? said : undefined
        );
        this.applied = {
          revs,
          at_ms: redisMs(),
          profiles: new Map([...wanted].map(([profile, it]) => [
            profile, { hz: it.hz, achieved_hz: achieved(told?.[profile]) },
          ])),
        };
        for (const [profile, it] of wanted) this.#before.set(profile, Number(it.hz));
        this.#failures = 0;
        ended(null, 0);
        if (this.#holds()) this.applied = { ...this.applied, revs: this.#revs };
      },
      (error) => ended(clean(describe(error), 500), pauseAfter(this.#failures + 1)),
    );
  }

  /** @param {Profile} profile @param {Answer} it @returns {Decision} */
  #decision(profile, it) {
    return {
      profile,
      hz: Number(it.hz),
      previousHz: this.#before.get(profile) ?? null,
      lease: it.lease?.id ?? null,
      kind: it.lease?.kind ?? null,
      because: Object.fromEntries(
        [...(it.lease?.because ?? [])].filter(([, value]) => typeof value === 'string'),
      ),
      reason: it.reason,
      untilMs: it.until_ms === null ? null : Number(it.until_ms),
    };
  }

  /** @returns {number} steady ms at which something is due */
  get dueAt() {
    if (this.#calledAt !== null) return this.#calledAt + HUNG_MS;
    return this.#holds() ? Infinity : this.#retryAt;
  }

  /** @param {number} now @returns {{ state: 'applying' | 'applied' | 'failed', error: string | null }} */
  standing(now) {
    if (this.#calledAt !== null && now - this.#calledAt >= HUNG_MS) {
      return { state: 'applying', error: `driver has not returned for ${HUNG_MS / 1000} s` };
    }
    if (this.#failure !== null) return { state: 'failed', error: this.#failure };
    if (!this.#holds()) return { state: 'applying', error: null };
    let trouble;
    try {
      trouble = this.driver.trouble?.() ?? null;
    } catch (error) {
      trouble = describe(error);
    }
    return trouble === null
      ? { state: 'applied', error: null }
      : { state: 'failed', error: clean(String(trouble), 500) };
  }

  /** @returns {Applied | null} what was confirmed, and what the profiler says of it now */
  confirmed() {
    if (this.applied === null || typeof this.driver.achieved !== 'function') return this.applied;
    try {
      const said = this.driver.achieved() ?? {};
      return {
        ...this.applied,
        profiles: new Map([...this.applied.profiles].map(([profile, it]) => [
          profile, { ...it, achieved_hz: achieved(said[/** @type {Profile} */ (profile)]) ?? it.achieved_hz },
        ])),
      };
    } catch {
      return this.applied;
    }
  }

  /** Whether a call is under way. */
  get calling() {
    return this.#calledAt !== null;
  }
}

module.exports = { Driving, pauseAfter };
