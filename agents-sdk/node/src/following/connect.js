'use strict';
// Connections: one socket each, which keeps no process alive, and the way to the right server.

const net = require('node:net');
const tls = require('node:tls');
const { Redis, AbstractConnector } = require('ioredis');

/**
 * @typedef {import('./url.js').Server} Server
 * @typedef {import('./url.js').Address} Address
 * @typedef {import('ioredis').Redis} Connection
 */

const ANSWER_MS = 5_000;
const WAY_MS = 2_000; // of a sentinel, or a node that is asked the way
const MOST_MOVES = 5;

/**
 * @template V
 * @param {Promise<V>} promise
 * @param {number} ms
 * @param {string} what
 * @returns {Promise<V>} rejected after that time
 */
function within(promise, ms, what) {
  /** @type {NodeJS.Timeout} */
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took longer than ${ms / 1000} s`)), ms);
    timer.unref();
  });
  return /** @type {Promise<V>} */ (Promise.race([promise, late])).finally(() => clearTimeout(timer));
}

class Unreferenced extends AbstractConnector {
  /** @param {any} options as ioredis has them */
  constructor(options) {
    super(0);
    this.options = options;
  }

  async connect() {
    const { host, port, path, tls: secured } = this.options;
    this.connecting = true;
    const where = path ? { path } : { host, port };
    const name = host && !net.isIP(host) ? { servername: host } : {};
    const socket = secured ? tls.connect({ ...where, ...name, ...secured }) : net.connect(where);
    socket.unref();
    socket.on('error', () => {}); // ioredis listens later
    return (this.stream = socket);
  }

  disconnect() {
    this.connecting = false;
    this.stream?.destroy();
  }
}

/**
 * @param {Address} address
 * @param {Pick<Server, 'tls' | 'username' | 'password'> & { db?: number }} server
 * @param {tls.ConnectionOptions} secured
 * @param {number} [ms]
 * @returns {Promise<Connection>}
 */
async function connect(address, server, secured, ms = ANSWER_MS) {
  const connection = new Redis(/** @type {any} */ ({
    ...address,
    username: server.username,
    password: server.password,
    db: server.db ?? 0,
    tls: server.tls ? secured : undefined,
    Connector: Unreferenced,
    protocol: 2,
    lazyConnect: true,
    retryStrategy: () => null, // the session is the one that begins anew
    maxRetriesPerRequest: 0,
    enableReadyCheck: false, // INFO is none of an agent's commands
    disableClientInfo: true,
    autoResubscribe: false,
    autoResendUnfulfilledCommands: false,
    connectTimeout: ms,
  }));
  /** @type {unknown} */
  let why;
  connection.on('error', (error) => {
    why ??= error;
  });
  try {
    await within(connection.connect(), ms, 'connecting');
    return connection;
  } catch (error) {
    connection.disconnect();
    throw why ?? error;
  }
}

/** @template V @param {readonly V[]} list @returns {V[]} */
const shuffled = (list) =>
  list.map((it) => ({ it, at: Math.random() })).sort((a, b) => a.at - b.at).map(({ it }) => it);

/** @param {unknown} error @param {Address} asked @returns {Address | null} where a MOVED points to */
function movedTo(error, asked) {
  const found = /^MOVED \d+ (.*):(\d+)$/.exec(error instanceof Error ? error.message : '');
  if (found === null) return null;
  const host = found[1] === '' ? ('host' in asked ? asked.host : '') : found[1];
  return { host, port: Number(found[2]) };
}

/** @param {Server} server @param {tls.ConnectionOptions} secured @returns {Promise<Address>} the primary */
async function askSentinels(server, secured) {
  /** @type {unknown} */
  let why = new Error('no sentinel');
  for (const address of shuffled(server.nodes)) {
    for (const login of [false, true]) {
      /** @type {Connection | undefined} */
      let sentinel;
      try {
        const as = login ? server : { tls: server.tls, username: undefined, password: undefined };
        sentinel = await connect(address, { ...as, db: 0 }, secured, WAY_MS);
        const asked = sentinel.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', server.name);
        const found = /** @type {string[] | null} */ (await within(asked, WAY_MS, 'a sentinel'));
        if (found === null) throw new Error(`the sentinel knows no '${server.name}'`);
        return { host: found[0], port: Number(found[1]) };
      } catch (error) {
        why = error;
        if (!/NOAUTH/.test(String(error))) break;
      } finally {
        sentinel?.disconnect();
      }
    }
  }
  throw why;
}

/**
 * @param {Server} server
 * @param {readonly Address[]} others nodes that others pointed to
 * @param {string} key
 * @param {tls.ConnectionOptions} secured
 * @returns {Promise<Address>} the primary of a cluster that holds the key
 */
async function askNodes(server, others, key, secured) {
  /** @type {unknown} */
  let why = new Error('no node');
  for (const start of [...shuffled(server.nodes), ...shuffled(others)]) {
    /** @type {Address | null} */
    let address = start;
    for (let moves = 0; address !== null && moves <= MOST_MOVES; moves += 1) {
      /** @type {Connection | undefined} */
      let node;
      try {
        node = await connect(address, server, secured, WAY_MS);
        await within(node.getBuffer(key), WAY_MS, 'a node');
        return address;
      } catch (error) {
        why = error;
        address = movedTo(error, address);
      } finally {
        node?.disconnect();
      }
    }
  }
  throw why;
}

/**
 * @param {Server} server
 * @param {readonly Address[]} others
 * @param {string} key of the first target's plan
 * @param {tls.ConnectionOptions} secured
 * @returns {Promise<Address>}
 */
async function locate(server, others, key, secured) {
  if (server.kind === 'sentinel') return askSentinels(server, secured);
  if (server.kind === 'cluster') return askNodes(server, others, key, secured);
  return server.nodes[0];
}

module.exports = { ANSWER_MS, connect, locate, movedTo, within };
