'use strict';
// One agent: plans in, decisions to the driver, statuses out. Everything happens in #wake.

const { Clock, Steady } = require('./contract/clock.js');
const { heldAt, take } = require('./contract/holding.js');
const { Refused } = require('./contract/json.js');
const { readPlan } = require('./contract/plan.js');
const { resolve } = require('./contract/resolve.js');
const { writeStatus } = require('./contract/status.js');
const { clean, versionOf } = require('./contract/text.js');
const { describe } = require('./errors.js');
const { Driving } = require('./driving.js');
const { Follower } = require('./following/follower.js');
const { about } = require('./following/session.js');
const { version } = require('../package.json');

/**
 * @typedef {import('./contract/plan.js').Profile} Profile
 * @typedef {import('./contract/resolve.js').Answer} Answer
 * @typedef {ReturnType<typeof import('./settings.js')['settingsOf']>} Settings
 */

const LONGEST_NAP_MS = 500;
const REPORT_MS = 15_000;
const GATHER_MS = 20;
const APART_MS = 200;
const TOO_FAR_MS = 5_000;
const STALE_MS = 30_000;
const JUMP_MS = 1_000;
const MOST_COMPLAINTS = 50;
const CLOSING_MS = 2_000;
const SDK = `upshift-agent/${version} node/${process.versions.node}`;

/** @param {bigint} a @param {bigint} b */
const apart = (a, b) => (a < b ? b - a : a - b);

/** @param {Profile} profile @param {bigint} hz */
const shown = (profile, hz) =>
  profile === 'cpu' ? `${hz} Hz` : profile === 'heap' ? `heap ${hz} an hour` : `${profile} ${hz} Hz`;

class Agent {
  #settings;
  #steady = new Steady();
  #clock;
  #wallApart;
  /** @type {Map<string, import('./contract/holding.js').Held>} */
  #held = new Map();
  /** @type {Map<string, string>} target → why its last message was refused */
  #refused = new Map();
  #pushes = 0;
  /** @type {Map<Profile, Answer>} */
  #answers = new Map();
  #driving;
  #follower;
  /** @type {NodeJS.Timeout | undefined} */
  #timer;
  #stopped = false;
  #connected = false;
  #readAt = Infinity;
  #lastRead = -Infinity;
  #reportAt = Infinity;
  #standing = '';
  #state = /** @type {'applying' | 'applied' | 'failed'} */ ('applying');
  /** @type {string | null} */
  #error = null;
  #sinceMs;
  /** @type {Set<string>} */
  #complaints = new Set();
  #pushesAtRead = 0;

  /** @param {Settings} settings */
  constructor(settings) {
    this.#settings = settings;
    const now = this.#steady.now();
    this.#wallApart = Date.now() - now;
    this.#clock = new Clock(Date.now(), now);
    this.#sinceMs = this.#clock.nowMs(now);
    this.#driving = new Driving(settings.driver, () => this.#soon());
    this.#follower = new Follower(settings, this.#listener());
    this.#guarded(() => settings.driver.identify?.(Object.fromEntries(settings.attributes)));
    this.#soon();
    void this.#follower.run().catch((error) => this.#complain(`the agent cannot run here: ${describe(error)}`));
  }

  /** What each profile's frequency is, and because of what. */
  get decisions() {
    return Object.fromEntries([...this.#answers].map(([profile, it]) => [profile, {
      hz: Number(it.hz), lease: it.lease?.id ?? null, reason: it.reason,
      untilMs: it.until_ms === null ? null : Number(it.until_ms),
    }]));
  }

  /** The status that is reported, as an object. */
  get status() {
    return JSON.parse(this.#status());
  }

  get connected() {
    return this.#connected;
  }

  /** Ends in good order; never rejects. */
  async stop() {
    if (this.#stopped) return;
    this.#stopped = true;
    clearTimeout(this.#timer);
    const { driver, attributes } = this.#settings;
    const ended = Promise.allSettled([
      this.#follower.close(String(attributes.get('upshift.agent.id'))),
      this.#leaveDriver(driver),
    ]);
    /** @type {NodeJS.Timeout | undefined} */
    let late;
    await Promise.race([ended, new Promise((resolve) => { late = setTimeout(resolve, CLOSING_MS); })]);
    clearTimeout(late);
  }

  /** @param {import('../index').Driver} driver */
  async #leaveDriver(driver) {
    if (driver.close !== undefined) return driver.close();
    if (this.#driving.calling) return undefined;
    this.#held.clear();
    this.#decide(this.#steady.now());
    this.#driving.pump(this.#steady.now(), () => this.#redisMs());
    return undefined;
  }

  #listener() {
    return {
      now: () => this.#steady.now(),
      began: () => {
        this.#lastRead = -Infinity;
        this.#pushesAtRead = this.#pushes;
        this.#readAt = this.#steady.now();
        this.#soon();
      },
      changed: () => {
        this.#connected = this.#follower.session?.hasRead ?? false;
        this.#soon();
      },
      info: (/** @type {string} */ text) => this.#log('info', text),
      warn: (/** @type {string} */ text) => this.#log('warn', text),
      complain: (/** @type {string} */ text) => this.#complain(text),
      pushed: (/** @type {string} */ target, /** @type {Buffer} */ message) => {
        this.#pushes += 1;
        this.#taken(target, message, true);
        this.#soon();
      },
      answered: (/** @type {number} */ redisMs, /** @type {number} */ sent, /** @type {number} */ received) =>
        this.#clock.answered(redisMs, sent, received),
      read: (/** @type {ReadonlyMap<string, Buffer>} */ found) => this.#read(found),
      report: () => ({
        id: String(this.#settings.attributes.get('upshift.agent.id')),
        status: this.#status(),
        atMs: this.#redisMs(),
        version: versionOf(this.#settings.attributes),
      }),
      reported: () => {},
    };
  }

  /** @param {ReadonlyMap<string, Buffer>} found */
  #read(found) {
    const now = this.#steady.now();
    for (const target of this.#settings.targets) {
      const message = found.get(target);
      if (message !== undefined) this.#taken(target, message, false);
    }
    const nowMs = this.#clock.nowMs(now);
    for (const [target, held] of this.#held) this.#held.set(target, heldAt(held, nowMs));
    const first = !this.#connected;
    this.#connected = true;
    this.#follower.hasRead();
    // What the keys held may be older than what was pushed while they were read.
    if (this.#refused.size > 0 && this.#pushes > this.#pushesAtRead) this.#readSoon(now);
    if (first) this.#reportAt = now;
    this.#soon();
  }

  /** @param {string} target @param {Buffer} message @param {boolean} pushed */
  #taken(target, message, pushed) {
    const now = this.#steady.now();
    const synchronised = this.#clock.synchronised;
    try {
      const plan = readPlan(message, this.#settings.secrets);
      if (plan.target !== target) throw new Refused(`it is of ${plan.target}`);
      const far = apart(plan.now_ms, this.#clock.nowMs(now));
      if (pushed && synchronised && this.#settings.secrets.length > 0 && far > STALE_MS) {
        throw new Refused(`it is stale: its now_ms is ${far} ms from Redis time`);
      }
      const held = this.#held.get(target);
      const taken = take(held, plan, synchronised ? this.#clock.nowMs(now) : null);
      this.#refused.delete(target);
      if (taken === held) return;
      this.#held.set(target, taken);
      if (!pushed) return;
      this.#clock.pushed(plan.now_ms, now);
      if (synchronised && far > TOO_FAR_MS) this.#readSoon(now);
    } catch (error) {
      const why = error instanceof Refused ? error.message : describe(error);
      const line = clean(`the plan of ${target} was refused: ${why}`, 500);
      this.#refused.set(target, line);
      this.#complain(line);
      if (pushed) this.#readSoon(now);
    }
  }

  /** @param {number} now */
  #readSoon(now) {
    this.#readAt = Math.min(this.#readAt, Math.max(now, this.#lastRead + APART_MS));
  }

  #redisMs() {
    return this.#clock.nowMs(this.#steady.now());
  }

  /** Wakes up in the next turn of the event loop, on nobody's stack. */
  #soon() {
    this.#arm(0);
  }

  /** @param {number} ms */
  #arm(ms) {
    clearTimeout(this.#timer);
    if (this.#stopped) return;
    this.#timer = setTimeout(() => {
      this.#guarded(() => this.#wake());
      this.#guarded(() => this.#arm(this.#nap(this.#steady.now())));
    }, ms).unref();
  }

  /** @param {() => unknown} act */
  #guarded(act) {
    try {
      const said = act();
      if (said instanceof Promise) said.catch((error) => this.#complain(describe(error)));
    } catch (error) {
      this.#complain(`the agent cannot run here, and tries again: ${describe(error)}`);
    }
  }

  #wake() {
    this.#steady.look();
    const now = this.#steady.now();
    const wallApart = Date.now() - now;
    if (Math.abs(wallApart - this.#wallApart) > JUMP_MS) {
      this.#wallApart = wallApart;
      this.#readSoon(now);
    }
    this.#decide(now);
    this.#driving.pump(now, () => this.#redisMs());
    this.#stand(now);
    const session = this.#follower.session;
    if (session === null) return;
    const due = { read: now >= this.#readAt, report: now >= this.#reportAt };
    if (!session.idle) return void session.poke({ read: false, report: false });
    if (due.read) {
      this.#readAt = now + about(this.#settings.resyncMs);
      this.#lastRead = now;
      this.#pushesAtRead = this.#pushes;
    } else if (due.report && session.hasRead) this.#reportAt = now + REPORT_MS;
    void session.poke(due);
  }

  /** @param {number} now @returns {number} ms */
  #nap(now) {
    const ends = [...this.#answers.values()].flatMap((it) =>
      it.until_ms === null ? [] : [Number(it.until_ms) - this.#clock.offset]);
    const idle = this.#follower.session?.idle ?? false;
    const standing = this.#driving.dueAt;
    const due = Math.min(...ends, standing > now ? standing : Infinity, ...(idle ? [this.#readAt, this.#reportAt] : []));
    return Math.ceil(Math.min(LONGEST_NAP_MS, Math.max(due - now, 1)));
  }

  /** @param {number} now */
  #decide(now) {
    const { attributes, baseline, maxHz, driver } = this.#settings;
    const plans = [...this.#held.values()].map((it) => it.plan);
    const nowMs = this.#clock.nowMs(now);
    /** @type {Map<Profile, Answer>} */
    const answers = new Map();
    for (const profile of driver.profiles) {
      const answer = resolve(plans, attributes, baseline, maxHz, nowMs, profile);
      const before = this.#answers.get(profile);
      if (before !== undefined && before.hz !== answer.hz) {
        this.#log('info', `${shown(profile, answer.hz)}: ${answer.reason}`);
      }
      answers.set(profile, answer);
    }
    this.#answers = answers;
    this.#driving.want(answers, new Map(plans.map((it) => [it.target, it.rev])));
  }

  /** Sees whether there is something new to report. @param {number} now */
  #stand(now) {
    const { state, error } = this.#driving.standing(now);
    const skipped = this.#skipped();
    if (error !== null && error !== this.#error) this.#complain(`driver ${this.#settings.driver.name}: ${error}`);
    if (state !== this.#state) this.#sinceMs = this.#clock.nowMs(now);
    this.#state = state;
    this.#error = error;
    const standing = JSON.stringify([
      state, error, skipped,
      [...this.#answers.values()].map((it) => [String(it.hz), it.lease?.id, String(it.until_ms)]),
      [...this.#held.values()].map((it) => String(it.plan.rev)),
    ]);
    if (standing !== this.#standing) {
      this.#standing = standing;
      this.#reportAt = Math.min(this.#reportAt, now + GATHER_MS);
    }
  }

  #skipped() {
    return [...[...this.#held.values()].flatMap((it) => it.plan.skipped), ...this.#refused.values()];
  }

  #status() {
    const { attributes, driver, maxHz } = this.#settings;
    return writeStatus({
      instance: attributes.get('service.instance.id') ?? '',
      attributes,
      driver: driver.name,
      at_ms: this.#redisMs(),
      state: this.#state,
      since_ms: this.#sinceMs,
      requested: {
        revs: new Map([...this.#held].map(([target, it]) => [target, it.plan.rev])),
        profiles: new Map([...this.#answers].map(([profile, it]) => [profile, { ...it, lease: it.lease?.id ?? null }])),
      },
      applied: this.#driving.confirmed(),
      error: this.#error,
      skipped: this.#skipped(),
      max_hz: maxHz,
      sdk: SDK,
    });
  }

  /** @param {string} text */
  #complain(text) {
    if (this.#complaints.has(text) || this.#complaints.size >= MOST_COMPLAINTS) return;
    this.#complaints.add(text);
    this.#log('warn', text);
  }

  /** @param {'info' | 'warn'} level @param {string} text */
  #log(level, text) {
    try {
      this.#settings.logger[level](`upshift_agent: ${clean(text, 2000)}`);
    } catch {
      // a logger's trouble is not the application's
    }
  }
}

module.exports = { Agent };
