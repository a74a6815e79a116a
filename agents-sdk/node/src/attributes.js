'use strict';
// Who this agent is: what the application says, and what a process can find.

const { randomBytes } = require('node:crypto');
const { readFileSync } = require('node:fs');
const os = require('node:os');
const { ConfigurationError } = require('./errors.js');
const { isTarget, presentNames } = require('./contract/text.js');

const LARGEST = 32_768; // bytes, names and values together
const NAMESPACE_FILE = '/var/run/secrets/kubernetes.io/serviceaccount/namespace';

/** @typedef {Readonly<Record<string, string | undefined>>} Environment */

/** @param {string} file @returns {string | undefined} */
function contents(file) {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return undefined;
  }
}

/** @returns {string | undefined} field 22 of /proc/PID/stat */
function startTicks() {
  return contents('/proc/self/stat')?.replace(/^.*\) /s, '').split(' ')[19];
}

/** @param {string} said OTEL_RESOURCE_ATTRIBUTES @returns {Map<string, string>} none where it is broken */
function resourceAttributes(said) {
  /** @type {Map<string, string>} */
  const found = new Map();
  for (const pair of said.split(',')) {
    if (pair.trim() === '') continue;
    const at = pair.indexOf('=');
    if (at < 1) return new Map();
    try {
      found.set(decodeURIComponent(pair.slice(0, at).trim()), decodeURIComponent(pair.slice(at + 1).trim()));
    } catch {
      return new Map();
    }
  }
  return found;
}

/**
 * @param {string | undefined} service
 * @param {Readonly<Record<string, string>>} given
 * @param {Environment} env
 * @returns {Map<string, string>}
 */
function attributesOf(service, given, env) {
  for (const [name, value] of Object.entries(given)) {
    if (typeof value !== 'string') throw new ConfigurationError(`attribute '${name}' must be a string`);
  }
  const otel = resourceAttributes(env.OTEL_RESOURCE_ATTRIBUTES ?? '');
  const host = os.hostname();
  const pod = env.K8S_POD_NAME || env.POD_NAME || (env.KUBERNETES_SERVICE_HOST ? host : undefined);
  const namespace = env.K8S_NAMESPACE_NAME || env.POD_NAMESPACE || contents(NAMESPACE_FILE);
  const said = presentNames(new Map([...presentNames(otel), ...presentNames(new Map(Object.entries(given)))]));
  const name = service || given['service.name'] || env.OTEL_SERVICE_NAME || otel.get('service.name');
  if (!name) {
    throw new ConfigurationError('no service: give service, or set OTEL_SERVICE_NAME');
  }
  const found = /** @type {[string, string | undefined][]} */ ([
    ['host.name', host],
    ['k8s.pod.name', pod],
    ['k8s.namespace.name', namespace],
    ['k8s.node.name', env.K8S_NODE_NAME],
    ...said,
    ['service.name', name],
    ['process.pid', String(process.pid)],
    ['upshift.process.start_ticks', startTicks()],
    ['upshift.agent.id', randomBytes(8).toString('hex')],
  ]);
  const attributes = new Map(
    found.flatMap(([key, value]) =>
      value === undefined || value === '' ? [] : [[key.toWellFormed(), value.toWellFormed()]]),
  );
  if (!attributes.has('service.instance.id')) {
    attributes.set('service.instance.id', attributes.get('k8s.pod.name') ?? attributes.get('host.name') ?? host);
  }
  const bytes = [...attributes].flat().reduce((sum, it) => sum + Buffer.byteLength(it), 0);
  if (bytes > LARGEST) throw new ConfigurationError(`attributes have at most ${LARGEST} bytes, these have ${bytes}`);
  return attributes;
}

/** @param {ReadonlyMap<string, string>} attributes @returns {string[]} the service first */
function targetsOf(attributes) {
  const service = `service/${attributes.get('service.name')}`;
  if (!isTarget(service)) {
    throw new ConfigurationError(
      `a service's name has at most 248 bytes, no line breaks and no control characters, got ${JSON.stringify(service.slice(8, 108))}`,
    );
  }
  const host = attributes.has('k8s.pod.name') ? undefined : attributes.get('host.name');
  const node = `node/${attributes.get('k8s.node.name') ?? host ?? ''}`;
  return [service, ...(isTarget(node) ? [node] : []), 'fleet'];
}

module.exports = { attributesOf, resourceAttributes, targetsOf };
