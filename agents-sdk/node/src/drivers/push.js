'use strict';
// Windows to Pyroscope, in order; nobody waits for it, and no socket keeps the process alive.

const http = require('node:http');
const https = require('node:https');

/**
 * @typedef {import('../../index').Window} Window
 * @typedef {import('../../index').PprofOptions} Options
 */

const MOST_WAITING = 8;
const ANSWER_MS = 10_000;

/** @param {Record<string, string>} tags */
const labels = (tags) =>
  `{${Object.entries(tags).map(([name, value]) => `${name}=${value.replace(/[{},="]/g, '_')}`).sort().join(',')}}`;

/** @param {Record<string, string>} attributes @returns {Record<string, string>} under names that a label may have */
const tagsOf = (attributes) =>
  Object.fromEntries(Object.entries(attributes).map(([name, value]) => [name.replace(/[^A-Za-z0-9]/g, '_'), value]));

class Pusher {
  /** @type {Window[]} */
  #waiting = [];
  /** @type {Promise<void> | null} */
  #busy = null;

  /** @param {Options} options */
  constructor(options, env = process.env) {
    this.options = options;
    this.name = options.applicationName ?? '';
    this.address = options.serverAddress || env.PYROSCOPE_SERVER_ADDRESS || 'http://localhost:4040';
    this.user = options.basicAuthUser || env.PYROSCOPE_BASIC_AUTH_USER;
    this.password = options.basicAuthPassword || env.PYROSCOPE_BASIC_AUTH_PASSWORD || '';
    this.tenant = options.tenantId || env.PYROSCOPE_TENANT_ID;
  }

  /** @param {Window} window */
  ship(window) {
    this.#waiting.push(window);
    if (this.#waiting.length > MOST_WAITING) this.#waiting.shift();
    this.#busy ??= this.#run();
  }

  /** @returns {Promise<void>} until all has been shipped */
  async shipped() {
    await this.#busy;
  }

  async #run() {
    await null; // #busy is set before anything can end
    for (let window = this.#waiting.shift(); window !== undefined; window = this.#waiting.shift()) {
      try {
        if (this.options.onWindow) this.options.onWindow(window);
        else if ((await this.#post(window)) >= 500) await this.#post(window);
      } catch {
        // a lost window is no reason to disturb anybody
      }
    }
    this.#busy = null;
  }

  /** @param {Window} window @returns {Promise<number>} the answer's status */
  #post(window) {
    const url = new URL(`${this.address.replace(/\/$/, '')}/ingest`);
    for (const [name, value] of Object.entries({
      name: `${this.name}${labels(window.tags)}`, format: 'pprof', spyName: 'nodespy',
      from: `${window.from.getTime()}000000`, until: `${window.until.getTime()}000000`, sampleRate: String(window.hz),
    })) url.searchParams.set(name, value);
    const boundary = `upshift-${Math.random().toString(16).slice(2)}`;
    const body = Buffer.concat([
      Buffer.from(`--${boundary}\r\nContent-Disposition: form-data; name="profile"; filename="profile.pprof"\r\n` +
        'Content-Type: application/octet-stream\r\n\r\n'),
      window.pprof,
      Buffer.from(`\r\n--${boundary}--\r\n`),
    ]);
    return new Promise((resolve, reject) => {
      const request = (url.protocol === 'https:' ? https : http).request(url, {
        method: 'POST',
        agent: false,
        timeout: ANSWER_MS,
        auth: this.user ? `${this.user}:${this.password}` : undefined,
        headers: {
          'Content-Type': `multipart/form-data; boundary=${boundary}`,
          'Content-Length': body.length,
          ...(this.tenant ? { 'X-Scope-OrgID': this.tenant } : {}),
        },
      }, (answer) => {
        answer.resume();
        answer.on('error', reject).on('end', () => resolve(answer.statusCode ?? 0));
      });
      request.on('socket', (socket) => socket.unref());
      request.on('timeout', () => request.destroy(new Error('no answer')));
      request.on('error', reject);
      request.end(body);
    });
  }
}

module.exports = { Pusher, tagsOf };
