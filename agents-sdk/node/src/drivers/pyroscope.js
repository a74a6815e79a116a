'use strict';
// @pyroscope/nodejs: stop, init, start at each change; what it has gathered is sent with its own period.

const { tagsOf } = require('./push.js');

/**
 * @typedef {import('../../index').Profile} Profile
 * @typedef {import('../../index').Decision} Decision
 */

class PyroscopeDriver {
  name = 'pyroscope';
  /** @type {readonly Profile[]} */
  profiles = ['cpu'];
  #pyroscope;
  /** @type {Record<string, any>} */
  #options;
  /** @type {Record<string, string>} */
  #tags = {};
  #runs = false;

  /** @param {Record<string, any>} [options] */
  constructor(options = {}) {
    this.#pyroscope = require('@pyroscope/nodejs').default;
    this.#options = options;
  }

  /** @param {Record<string, string>} attributes */
  identify(attributes) {
    this.#tags = tagsOf(attributes);
    this.#options = { appName: attributes['service.name'], serverAddress: 'http://localhost:4040', ...this.#options };
    if (process.env.PYROSCOPE_SERVER_ADDRESS) this.#options.serverAddress = process.env.PYROSCOPE_SERVER_ADDRESS;
  }

  /** @param {ReadonlyMap<Profile, Decision>} decisions */
  async apply(decisions) {
    const hz = decisions.get('cpu')?.hz ?? 0;
    await this.close();
    if (hz === 0) return { cpu: 0 };
    this.#pyroscope.init({
      ...this.#options,
      tags: { ...this.#tags, ...this.#options.tags },
      wall: { collectCpuTime: true, ...this.#options.wall, samplingIntervalMicros: Math.round(1e6 / hz) },
    });
    this.#pyroscope.start();
    this.#runs = true;
    return undefined;
  }

  async close() {
    if (this.#runs) await this.#pyroscope.stop();
    this.#runs = false;
  }
}

module.exports = { PyroscopeDriver };
