'use strict';
// Which Redis: the URLs that controllers take, too.

const { ConfigurationError } = require('../errors.js');

/**
 * @typedef {{ host: string, port: number } | { path: string }} Address
 * @typedef {{
 *   kind: 'single' | 'sentinel' | 'cluster', tls: boolean, nodes: Address[], name: string, db: number,
 *   username: string | undefined, password: string | undefined, shown: string
 * }} Server `shown` has no password
 */

const FORM =
  'redis://[USER:PASSWORD@]HOST:PORT/DB, rediss://…, unix:///PATH, redis+sentinel://HOST,HOST/NAME or redis+cluster://HOST,HOST';

/** @param {string} url @returns {Server} throws `ConfigurationError` */
function parseUrl(url) {
  const found = /^(redis|rediss|unix)(?:\+(sentinel|cluster))?:\/\/(?:([^@]*)@)?([^/?#]*)(\/[^?#]*)?(?:\?db=(\d+))?$/.exec(url);
  const wrong = (/** @type {string} */ what) =>
    new ConfigurationError(`the Redis URL ${what}; it is written ${FORM}`);
  if (found === null) throw wrong('cannot be read');
  const [, scheme, of, login, hosts, path = '', query] = found;
  /** @param {string | undefined} text */
  const decoded = (text) => {
    try {
      return text === undefined || text === '' ? undefined : decodeURIComponent(text);
    } catch {
      throw wrong('has a % that is not followed by two hexadecimal digits');
    }
  };
  const colon = login?.indexOf(':') ?? -1;
  const username = decoded(colon < 0 ? login : login.slice(0, colon));
  const password = colon < 0 ? undefined : decoded(login.slice(colon + 1));
  const kind = of === 'sentinel' || of === 'cluster' ? of : 'single';
  const common = { kind, tls: scheme === 'rediss', username, password };
  const shown = `${scheme}${of ? `+${of}` : ''}://${hosts}${path}`;
  if (scheme === 'unix') {
    if (kind !== 'single' || hosts !== '' || path.length < 2) throw wrong('names no socket');
    return { ...common, kind, nodes: [{ path: decoded(path) ?? path }], name: '', db: Number(query ?? 0), shown };
  }
  const nodes = hosts.split(',').map((it) => {
    const parts = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?$/.exec(it);
    const port = Number(parts?.[3] ?? (kind === 'sentinel' ? 26379 : 6379));
    if (parts === null || port < 1 || port > 65535) throw wrong(`has no host and port in '${it}'`);
    return { host: parts[1] ?? /** @type {string} */ (parts[2]), port };
  });
  if (kind === 'single' && nodes.length > 1) throw wrong('has several hosts');
  const steps = path.split('/').slice(1);
  const name = kind === 'sentinel' ? decoded(steps.shift()) ?? '' : '';
  if (kind === 'sentinel' && name === '') throw wrong('does not say the name of the primary');
  const db = steps[0] ?? '';
  if (steps.length > 1 || !/^\d{0,5}$/.test(db)) throw wrong(`has no number of a database in '${path}'`);
  if (kind === 'cluster' && Number(db) > 0) throw wrong('has a database, and a cluster has none but 0');
  return { ...common, kind, nodes, name, db: Number(query ?? db), shown };
}

module.exports = { parseUrl };
