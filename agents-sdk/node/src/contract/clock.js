'use strict';
// Redis time, kept by a steady clock.

const os = require('node:os');

/** Milliseconds of a clock that no step of the wall clock moves, and that goes on in a suspended machine. */
class Steady {
  #ticking;
  #uptime;
  #apart;
  #asleep = 0;

  /** @param {() => number} ticking ms @param {() => number} uptime ms */
  constructor(ticking = () => performance.now(), uptime = () => os.uptime() * 1000) {
    this.#ticking = ticking;
    this.#uptime = uptime;
    this.#apart = uptime() - ticking();
  }

  /** Looks at the machine's uptime, which counts its sleep (Node's own clocks do not). */
  look() {
    const apart = this.#uptime() - this.#ticking();
    if (apart - this.#apart > 250) this.#asleep = apart - this.#apart; // more than its steps
  }

  now() {
    return this.#ticking() + this.#asleep;
  }
}

class Clock {
  offset;
  heard = false;
  synchronised = false;

  /** @param {number} wallMs for want of anything better @param {number} steadyMs */
  constructor(wallMs, steadyMs) {
    this.offset = wallMs - steadyMs;
  }

  /** @param {number} steadyMs @returns {bigint} */
  nowMs(steadyMs) {
    return BigInt(Math.floor(steadyMs + this.offset));
  }

  /** A plan was pushed, and taken. @param {bigint} planNowMs @param {number} steadyMs */
  pushed(planNowMs, steadyMs) {
    if (this.heard) return;
    this.offset = Number(planNowMs) - steadyMs;
    this.heard = true;
  }

  /** @param {number} redisMs @param {number} sentMs @param {number} receivedMs both steady */
  answered(redisMs, sentMs, receivedMs) {
    const [low, high] = [redisMs - receivedMs, redisMs - sentMs];
    if (!this.synchronised || !(low <= this.offset && this.offset <= high)) this.offset = (low + high) / 2;
    this.heard = this.synchronised = true;
  }
}

module.exports = { Clock, Steady };
