'use strict';
// One session with Redis: subscribe, read, then push, read and report until something is lost.

const { keyOf } = require('../contract/text.js');
const { ANSWER_MS, connect, movedTo, within } = require('./connect.js');

/**
 * @typedef {import('./url.js').Server} Server
 * @typedef {import('./url.js').Address} Address
 * @typedef {import('./connect.js').Connection} Connection
 * @typedef {{ id: string, status: string, atMs: bigint, version: string | null }} Report
 * @typedef {{
 *   pushed(target: string, message: Buffer): void,
 *   answered(redisMs: number, sentMs: number, receivedMs: number): void,
 *   read(found: ReadonlyMap<string, Buffer>, sentMs: number): void,
 *   report(): Report,
 *   reported(): void,
 *   complain(text: string): void,
 *   changed(): void,
 *   now(): number,
 * }} Listener `now` is steady, in ms
 * @typedef {{
 *   server: Server, namespace: string, targets: readonly string[],
 *   tls: import('node:tls').ConnectionOptions
 * }} Place
 */

const SILENCE_MS = 10_000;
const VISIT_MS = 300_000;
const A_DAY_S = 86_400;
const NOT_THE_ONE = /^(READONLY|CLUSTERDOWN|LOADING|MASTERDOWN)/;
const ON_THE_MOVE = /^(ASK|TRYAGAIN)/;

/** @param {number} ms @returns {number} a fifth more or less */
const about = (ms) => ms * (0.8 + 0.4 * Math.random());

class Session {
  hasRead = false;
  /** @type {Promise<unknown>} rejected or resolved when it is over, with the reason */
  over;
  /** @type {(why: unknown) => void} */
  #end = () => {};
  #ended = false;
  #busy = false;
  #heardAt;
  #pinged = false;
  #visitAt = 0;
  /** @type {Set<string>} */
  #told = new Set();

  /**
   * @param {Place} place @param {Address} address @param {Connection} reading
   * @param {Connection} subscribed @param {Listener} listener
   */
  constructor(place, address, reading, subscribed, listener) {
    this.place = place;
    this.address = address;
    this.reading = reading;
    this.subscribed = subscribed;
    this.listener = listener;
    this.#heardAt = listener.now();
    this.over = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  /** @param {Place} place @param {Address} address @param {Listener} listener @returns {Promise<Session>} */
  static async begin(place, address, listener) {
    const [reading, subscribed] = await Promise.allSettled([
      connect(address, place.server, place.tls), connect(address, place.server, place.tls),
    ]);
    if (reading.status === 'rejected' || subscribed.status === 'rejected') {
      for (const it of [reading, subscribed]) if (it.status === 'fulfilled') it.value.disconnect();
      throw reading.status === 'rejected' ? reading.reason : /** @type {any} */ (subscribed).reason;
    }
    const session = new Session(place, address, reading.value, subscribed.value, listener);
    try {
      await session.#subscribe();
      return session;
    } catch (error) {
      session.close(error);
      throw error;
    }
  }

  /** @param {string} target @param {'plan' | 'changes' | 'agents'} what */
  #key(target, what) {
    return keyOf(this.place.namespace, target, what);
  }

  async #subscribe() {
    const { server, targets } = this.place;
    for (const it of [this.reading, this.subscribed]) {
      it.on('error', (error) => this.close(error));
      it.on('close', () => this.close(new Error('the connection was closed')));
      it.on('end', () => this.close(new Error('the connection was closed')));
    }
    this.subscribed.on('moved', () => this.close(new Error('the slot has moved')));
    const byChannel = new Map(targets.map((it) => [this.#key(it, 'changes'), it]));
    const heard = (/** @type {Buffer} */ channel, /** @type {Buffer} */ message) => {
      this.#heardAt = this.listener.now();
      this.#pinged = false;
      const target = byChannel.get(channel.toString());
      if (target !== undefined) this.listener.pushed(target, message);
    };
    this.subscribed.on('messageBuffer', heard);
    this.subscribed.on('smessageBuffer', heard);
    const sharded = server.kind === 'cluster' ? targets.filter((it) => it.startsWith('service/')) : [];
    const classic = targets.filter((it) => !sharded.includes(it));
    const asked = [
      ...sharded.map((it) => this.subscribed.ssubscribe(this.#key(it, 'changes'))),
      this.subscribed.subscribe(...classic.map((it) => this.#key(it, 'changes'))),
    ];
    await within(Promise.all(asked), ANSWER_MS, 'subscribing');
  }

  /** @param {unknown} why */
  close(why) {
    if (this.#ended) return;
    this.#ended = true;
    for (const it of [this.reading, this.subscribed]) it.disconnect();
    this.#end(why);
  }

  /** Whether the connection is free for what is due. */
  get idle() {
    return !this.#busy && !this.#ended;
  }

  /**
   * Does what is due, one thing at a time; a failure ends the session.
   *
   * @param {{ read: boolean, report: boolean }} due
   */
  async poke(due) {
    if (this.#ended) return;
    this.#listen();
    if (this.#busy || !(due.read || (due.report && this.hasRead))) return;
    this.#busy = true;
    try {
      if (due.read) await this.#read();
      else await this.#report();
    } catch (error) {
      this.close(error);
    } finally {
      this.#busy = false;
      this.listener.changed();
    }
  }

  #listen() {
    const silent = this.listener.now() - this.#heardAt;
    if (silent >= SILENCE_MS + ANSWER_MS) this.close(new Error('the subscription is silent'));
    else if (silent >= SILENCE_MS && !this.#pinged) {
      this.#pinged = true;
      this.subscribed.ping().then(() => {
        this.#heardAt = this.listener.now();
        this.#pinged = false;
      }, (error) => this.close(error));
    }
  }

  async #read() {
    const { targets } = this.place;
    const pipeline = this.reading.pipeline();
    for (const it of targets) pipeline.getBuffer(this.#key(it, 'plan'));
    pipeline.time();
    const sent = this.listener.now();
    const answers = await within(pipeline.exec(), ANSWER_MS, 'reading');
    const received = this.listener.now();
    if (answers === null) throw new Error('reading was given up');
    const [failed, time] = answers[targets.length];
    if (failed) throw failed;
    const [seconds, micros] = /** @type {[string, string]} */ (/** @type {unknown} */ (time)).map(Number);
    this.listener.answered(seconds * 1000 + micros / 1000, sent, received);
    /** @type {Map<string, Buffer>} */
    const found = new Map();
    /** @type {[string, Address][]} */
    const elsewhere = [];
    targets.forEach((target, index) => {
      const [error, message] = answers[index];
      if (!error) {
        if (message !== null) found.set(target, /** @type {Buffer} */ (message));
        return;
      }
      const moved = movedTo(error, this.address);
      if (NOT_THE_ONE.test(error.message) || (moved && index === 0)) throw error;
      if (moved) elsewhere.push([target, moved]);
      else if (!ON_THE_MOVE.test(error.message)) this.#complain(`the plan of ${target} cannot be read: ${error.message}`);
    });
    this.hasRead = true;
    this.listener.read(found, sent);
    if (elsewhere.length > 0 && sent >= this.#visitAt) {
      this.#visitAt = sent + about(VISIT_MS);
      void this.#visit(elsewhere);
    }
  }

  /** Reads plans that other servers of a cluster hold. @param {[string, Address][]} elsewhere */
  async #visit(elsewhere) {
    for (const [target, address] of elsewhere) {
      const sent = this.listener.now();
      try {
        const message = await this.#there(address, (node) => node.getBuffer(this.#key(target, 'plan')));
        if (message !== null && !this.#ended) this.listener.read(new Map([[target, message]]), sent);
      } catch {
        this.#visitAt = 0; // with the next read
      }
    }
  }

  /**
   * @template V
   * @param {Address} address @param {(node: Connection) => Promise<V>} act
   * @returns {Promise<V>}
   */
  async #there(address, act) {
    const node = await connect(address, this.place.server, this.place.tls);
    try {
      return await within(act(node), ANSWER_MS, 'a visit');
    } finally {
      node.disconnect();
    }
  }

  #tellAt = 0;

  async #report() {
    const { namespace, server, targets } = this.place;
    const { id, status, atMs, version } = this.listener.report();
    const pipeline = this.reading.pipeline();
    pipeline.hset(this.#key(targets[0], 'agents'), id, status);
    pipeline.expire(this.#key(targets[0], 'agents'), A_DAY_S);
    const rows = [[`${namespace}:v1:reporting`, targets[0]], [`${namespace}:v1:versions`, version]].filter(
      ([, member]) => member !== null,
    );
    const telling = server.kind !== 'cluster' || this.listener.now() >= this.#tellAt;
    if (telling) {
      for (const [key, member] of rows) pipeline.zadd(String(key), String(atMs), String(member));
      this.#tellAt = this.listener.now() + about(VISIT_MS);
    }
    const answers = (await within(pipeline.exec(), ANSWER_MS, 'reporting')) ?? [];
    this.listener.reported();
    answers.forEach(([error], index) => {
      if (!error) return;
      const moved = movedTo(error, this.address);
      if (NOT_THE_ONE.test(error.message) || (moved && index < 2)) throw error;
      if (moved) {
        const [key, member] = rows[index - 2];
        this.#there(moved, (node) => node.zadd(String(key), String(atMs), String(member))).catch(() => {
          this.#tellAt = 0;
        });
      } else if (!ON_THE_MOVE.test(error.message)) this.#complain(`a report was refused: ${error.message}`);
    });
  }

  /** Takes the report back, of an agent that ends in good order. @param {string} id */
  async leave(id) {
    await within(this.reading.hdel(this.#key(this.place.targets[0], 'agents'), id), 250, 'leaving');
  }

  /** @param {string} text */
  #complain(text) {
    if (this.#told.has(text)) return;
    this.#told.add(text);
    this.listener.complain(text);
  }
}

module.exports = { Session, about };
