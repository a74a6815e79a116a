'use strict';
// One session after another, for as long as the agent lives.

const { keyOf } = require('../contract/text.js');
const { describe } = require('../errors.js');
const { locate } = require('./connect.js');
const { Session } = require('./session.js');

const LASTED_MS = 10_000;
const MOST_OTHERS = 32;

/** @param {number} failures since the last session that lasted @param {() => number} random @returns {number} ms */
function pause(failures, random = Math.random) {
  const most = failures === 0 ? 100 : Math.min(3_000, 100 * 2 ** Math.min(failures, 10));
  return most * (0.5 + random() / 2);
}

class Follower {
  /** @type {InstanceType<typeof Session> | null} */
  session = null;
  #closed = false;
  #failures = 0;
  #away = false;
  /** @type {Map<string, import('./url.js').Address>} */
  #others = new Map();

  /**
   * @param {import('./session.js').Place} place
   * @param {import('./session.js').Listener & { began(): void, info(text: string): void, warn(text: string): void }} listener
   */
  constructor(place, listener) {
    this.place = place;
    this.listener = listener;
  }

  async run() {
    while (!this.#closed) {
      let why;
      let lasted = false;
      try {
        const { server, tls, namespace, targets } = this.place;
        const key = keyOf(namespace, targets[0], 'plan');
        const address = await locate(server, [...this.#others.values()], key, tls);
        if (server.kind === 'cluster') this.#remember(address);
        const session = await Session.begin(this.place, address, this.listener);
        if (this.#closed) return session.close('closed');
        const began = this.listener.now();
        this.session = session;
        this.listener.began();
        why = await session.over;
        lasted = session.hasRead && this.listener.now() - began > LASTED_MS;
      } catch (error) {
        why = error;
      }
      this.session = null;
      if (this.#closed) return;
      this.#failures = lasted ? 0 : this.#failures + 1;
      if (!this.#away) {
        this.#away = true;
        this.listener.warn(
          `no connection to ${this.place.server.shown} (${describe(why)}); leases held run to their end, ` +
            'then the baseline applies; trying again until it is back',
        );
      }
      this.listener.changed();
      const ms = pause(this.#failures);
      await new Promise((resolve) => setTimeout(resolve, ms).unref());
    }
  }

  /** The plans were read: an outage, if there was one, is over. */
  hasRead() {
    if (this.#away) this.listener.info(`following plans from ${this.place.server.shown} again`);
    this.#away = false;
  }

  /** @param {import('./url.js').Address} address */
  #remember(address) {
    if (this.#others.size < MOST_OTHERS) this.#others.set(JSON.stringify(address), address);
  }

  /** @param {string} id whose report is taken back */
  async close(id) {
    this.#closed = true;
    const session = this.session;
    if (session === null) return;
    await session.leave(id).catch(() => {});
    session.close('closed');
  }
}

module.exports = { Follower, pause };
