'use strict';
// Names: targets, keys, attributes, the version, and text that is shown to people.

const FORBIDDEN = '\\u0000-\\u001f\\u007f-\\u009f\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\u2028\\u2029\\ufeff\\ud800-\\udfff';
const NOT_PLAIN = new RegExp(`[${FORBIDDEN}]`, 'u'); // with u a whole pair is one code point
const EACH_NOT_PLAIN = new RegExp(`[${FORBIDDEN}]`, 'gu');
const WHITE = /[\t-\r\x1c-\x1f\x85\u2028\u2029]/;
const LONGEST_TARGET = 256; // bytes of UTF-8
const FLEET = 'fleet';

/** @param {string} text */
const isPlain = (text) => !NOT_PLAIN.test(text);

/** @param {string} text @returns {boolean} whether it is `fleet`, `service/NAME` or `node/NAME` */
function isTarget(text) {
  return (
    (text === FLEET || /^(service|node)\/./su.test(text)) &&
    isPlain(text) && Buffer.byteLength(text) <= LONGEST_TARGET
  );
}

/**
 * @param {string} text
 * @param {number} longest in code points
 * @returns {string} it on one line, saying what it seems to say
 */
function clean(text, longest) {
  const cleaned = text.replace(EACH_NOT_PLAIN, (it) => (WHITE.test(it) ? ' ' : '\ufffd'));
  if (cleaned.length <= longest) return cleaned;
  const points = [...cleaned.slice(0, 2 * longest + 2)];
  return points.length > longest ? points.slice(0, longest - 1).join('') + '…' : cleaned;
}

/** @param {string} target @returns {string} it as it stands in keys */
function encoded(target) {
  let out = '';
  for (const byte of Buffer.from(target)) {
    const letter = String.fromCharCode(byte);
    out += /[A-Za-z0-9._/-]/.test(letter)
      ? letter
      : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return out;
}

/** @param {string} namespace @param {string} target @param {'plan' | 'changes' | 'agents'} what */
const keyOf = (namespace, target, what) => `${namespace}:v1:{${encoded(target)}}:${what}`;

/**
 * @template V
 * @param {ReadonlyMap<string, V>} attributes
 * @returns {Map<string, V>} the same; a present name beats its older spelling
 */
function presentNames(attributes) {
  const renamed = new Map(attributes);
  const older = renamed.get('deployment.environment');
  if (older !== undefined) {
    renamed.delete('deployment.environment');
    if (!renamed.has('deployment.environment.name')) {
      renamed.set('deployment.environment.name', older);
    }
  }
  return renamed;
}

const OF_A_VERSION = [
  'deployment.environment.name', 'k8s.cluster.name', 'k8s.namespace.name', 'service.name',
  'service.namespace', 'service.version',
]; // sorted

/** @param {ReadonlyMap<string, string>} attributes @returns {string | null} the member of `versions` */
function versionOf(attributes) {
  const present = presentNames(attributes);
  const said = OF_A_VERSION.flatMap((name) => {
    const value = present.get(name);
    const fits = value !== undefined && value !== '' && isPlain(value) && Buffer.byteLength(value) <= 256;
    return fits ? [/** @type {[string, string]} */ ([name, value])] : [];
  });
  const names = new Set(said.map(([name]) => name));
  if (!names.has('service.name') || !names.has('service.version')) return null;
  return `{${said.map(([name, value]) => `"${name}":"${value.replace(/["\\]/g, '\\$&')}"`).join(',')}}`;
}

/** @param {string} one @param {string} other @returns {number} by code point, not by UTF-16 unit */
const compare = (one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other));

module.exports = { FLEET, clean, compare, encoded, isPlain, isTarget, keyOf, presentNames, versionOf };
