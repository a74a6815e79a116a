'use strict';
// @datadog/pprof in windows of our own, each of one period.

const { describe } = require('../errors.js');
const { Pusher, tagsOf } = require('./push.js');

/**
 * @typedef {import('../../index').Profile} Profile
 * @typedef {import('../../index').Decision} Decision
 * @typedef {import('../../index').PprofOptions} Options
 */

const WINDOW_MS = 10_000;
const HEAP_INTERVAL = 512 * 1024; // bytes; it must not change, or totals would not compare
const HEAP_DEPTH = 64;
const HIGHEST_HZ = 1000;

/** @param {ReadonlyMap<Profile, Decision>} decisions @returns {'cpu' | 'wall' | null} which of the two has the one sampler */
function which(decisions) {
  const [cpu, wall] = [decisions.get('cpu'), decisions.get('wall')];
  const runs = (/** @type {Decision | undefined} */ it) => it !== undefined && it.hz > 0;
  if (!runs(cpu) || !runs(wall)) return runs(cpu) ? 'cpu' : runs(wall) ? 'wall' : null;
  const asked = (/** @type {Decision | undefined} */ it) => it?.kind === 'boost' || it?.kind === 'pin';
  return asked(wall) && !asked(cpu) ? 'wall' : 'cpu';
}

class PprofDriver {
  name = 'datadog-pprof';
  /** @type {readonly Profile[]} */
  profiles = ['cpu', 'wall', 'heap'];
  #pprof;
  #pusher;
  #windowMs;
  /** @type {Record<string, string>} */
  #tags = {};
  /** @type {{ of: 'cpu' | 'wall', hz: number, from: number, measured: number | null } | null} */
  #running = null;
  /** @type {NodeJS.Timeout | undefined} */
  #timer;
  /** @type {NodeJS.Timeout | undefined} */
  #heapTimer;
  #heapPerHour = 0;
  #encoding = Promise.resolve();
  /** @type {string | null} */
  #trouble = null;

  /** @param {Options} [options] */
  constructor(options = {}) {
    this.#pprof = require('@datadog/pprof');
    this.#pusher = new Pusher(options);
    this.#windowMs = options.windowMs ?? WINDOW_MS;
  }

  /** @param {Record<string, string>} attributes */
  identify(attributes) {
    this.#tags = tagsOf(attributes);
    this.#pusher.name ||= attributes['service.name'];
  }

  /** @param {ReadonlyMap<Profile, Decision>} decisions */
  async apply(decisions) {
    const of = which(decisions);
    const hz = of === null ? 0 : Math.min(decisions.get(of)?.hz ?? 0, HIGHEST_HZ);
    if (this.#running?.of !== of || this.#running?.hz !== hz) this.#switch(of, hz);
    this.#heap(decisions.get('heap')?.hz ?? 0);
    this.#trouble = null;
    return this.achieved();
  }

  /** @returns {Partial<Record<Profile, number>>} */
  achieved() {
    const running = this.#running;
    const now = { cpu: 0, wall: 0, heap: this.#heapPerHour };
    if (running !== null) now[running.of] = running.measured ?? running.hz;
    return now;
  }

  trouble() {
    return this.#trouble;
  }

  async close() {
    this.#switch(null, 0);
    this.#heap(0);
    await this.#encoding;
    await this.#pusher.shipped();
  }

  /** @param {'cpu' | 'wall' | null} of @param {number} hz */
  #switch(of, hz) {
    const { time } = this.#pprof;
    clearTimeout(this.#timer);
    if (this.#running !== null) this.#finish(false);
    this.#running = null;
    if (of === null) return;
    if (time.isStarted()) throw new Error('another profiler of this process has the sampler');
    time.start({
      intervalMicros: Math.round(1e6 / hz),
      durationMillis: this.#windowMs,
      withContexts: true, // else V8 keeps half of the samples to itself
      collectCpuTime: true,
      workaroundV8Bug: true,
    });
    time.setContext({});
    this.#running = { of, hz, from: Date.now(), measured: null };
    this.#timer = this.#nextWindow();
  }

  #nextWindow() {
    return setTimeout(() => {
      try {
        this.#finish(true);
        this.#timer = this.#nextWindow();
      } catch (error) {
        this.#running = null;
        this.#trouble = describe(error);
      }
    }, this.#windowMs).unref();
  }

  /** Ends the window and ships it. @param {boolean} restart */
  #finish(restart) {
    const running = this.#running;
    if (running === null) return;
    const [from, until] = [running.from, Date.now()];
    running.from = until;
    const profile = this.#pprof.time.stop(restart, () => ({}));
    if (restart) this.#pprof.time.setContext({});
    const [samples, wall, cpu] = profile.sampleType;
    const kept = running.of === 'cpu' ? 2 : 1;
    samples.type = profile.stringTable.dedup('samples');
    profile.sampleType = [samples, running.of === 'cpu' ? cpu : wall];
    profile.periodType = profile.sampleType[1];
    for (const sample of profile.sample) sample.value = [sample.value[0], sample.value[kept]];
    if (profile.sample.length > 0 && Number(profile.period) > 0) running.measured = 1e9 / Number(profile.period);
    this.#ship(running.of, running.hz, profile, from, until);
  }

  /** @param {number} perHour */
  #heap(perHour) {
    const { heap } = this.#pprof;
    if (perHour === this.#heapPerHour) return;
    clearInterval(this.#heapTimer);
    if (this.#heapPerHour === 0) heap.start(HEAP_INTERVAL, HEAP_DEPTH);
    if (perHour === 0) heap.stop();
    this.#heapPerHour = perHour;
    if (perHour === 0) return;
    const every = 3_600_000 / perHour;
    let from = Date.now();
    this.#heapTimer = setInterval(() => {
      try {
        const until = Date.now();
        this.#ship('heap', perHour, heap.profile(), from, until);
        from = until;
      } catch (error) {
        this.#trouble = describe(error);
      }
    }, every).unref();
  }

  /** @param {Profile} profile @param {number} hz @param {import('pprof-format').Profile} pprof @param {number} from @param {number} until */
  #ship(profile, hz, pprof, from, until) {
    pprof.timeNanos = BigInt(from) * 1_000_000n;
    pprof.durationNanos = BigInt(until - from) * 1_000_000n;
    this.#encoding = this.#encoding.then(() => this.#pprof.encode(pprof)).then(
      (encoded) => this.#pusher.ship({
        profile, hz, pprof: encoded, from: new Date(from), until: new Date(until), tags: this.#tags,
      }),
      (error) => {
        this.#trouble = describe(error);
      },
    );
  }
}

module.exports = { PprofDriver, which };
