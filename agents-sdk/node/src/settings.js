'use strict';
// What the application and its environment say, checked; all that is wrong is told here.

const { readFileSync } = require('node:fs');
const { ConfigurationError, describe } = require('./errors.js');
const { PROFILES } = require('./contract/plan.js');
const { clean } = require('./contract/text.js');
const { parseUrl } = require('./following/url.js');
const { attributesOf, targetsOf } = require('./attributes.js');

const HIGHEST_HZ = 1000;
const DEFAULT_HZ = 19n;

/**
 * @typedef {import('../index').Config} Config
 * @typedef {import('../index').Driver} Driver
 */

/** @param {string} what @param {unknown} given @param {string} variable @param {string | undefined} said @returns {bigint | null} */
function frequency(what, given, variable, said) {
  const told = given ?? (said ? (/^\d+$/.test(said) ? Number(said) : said) : undefined);
  if (told === undefined || told === null) return null;
  if (!Number.isInteger(told) || Number(told) < 0 || Number(told) > HIGHEST_HZ) {
    const name = given === undefined ? variable : what;
    throw new ConfigurationError(`${name} must be a whole number of Hz from 0 to ${HIGHEST_HZ}, got ${clean(String(told), 40)}`);
  }
  return BigInt(Number(told));
}

/** @param {Config['secrets']} given @param {string | undefined} file @returns {Buffer[]} */
function secretsOf(given, file) {
  if (given !== undefined) {
    const all = (Array.isArray(given) ? given : [given]).map((it) => Buffer.from(it));
    if (all.length === 0 || all.some((it) => it.length === 0)) {
      throw new ConfigurationError('secrets: an empty secret signs nothing');
    }
    return all;
  }
  if (!file) return [];
  let said;
  try {
    said = readFileSync(file, 'utf8');
  } catch (error) {
    throw new ConfigurationError(`UPSHIFT_SECRET_FILE: ${describe(error)}`);
  }
  const secrets = said.split('\n').map((it) => it.trim()).filter((it) => it !== '');
  if (secrets.length === 0) {
    throw new ConfigurationError(`UPSHIFT_SECRET_FILE: ${file} holds no secret; without the variable none is needed`);
  }
  return secrets.map((it) => Buffer.from(it));
}

/** @param {Config['driver']} given @param {string | undefined} name @returns {Driver} */
function driverOf(given, name) {
  const driver = given ?? name;
  if (!driver) throw new ConfigurationError('no driver: give driver, or set UPSHIFT_DRIVER to pprof or pyroscope');
  if (typeof driver === 'function') {
    return {
      name: driver.name || 'callable',
      profiles: ['cpu'],
      async apply(decisions) {
        const [decision] = decisions.values();
        const achieved = await driver(decision);
        return typeof achieved === 'number' ? { cpu: achieved } : undefined;
      },
    };
  }
  if (driver === 'pprof') return new (require('./drivers/pprof.js').PprofDriver)();
  if (driver === 'pyroscope') return new (require('./drivers/pyroscope.js').PyroscopeDriver)();
  if (typeof driver === 'string') {
    throw new ConfigurationError(`no driver is named '${clean(driver, 100)}'; there are pprof and pyroscope`);
  }
  const profiles = driver.profiles;
  if (typeof driver.apply !== 'function' || typeof driver.name !== 'string' || !Array.isArray(profiles) ||
      profiles.length === 0 || new Set(profiles).size !== profiles.length ||
      !profiles.every((it) => PROFILES.includes(it))) {
    throw new ConfigurationError(`a driver has a name, an apply and profiles, of ${PROFILES.join(', ')}, each once`);
  }
  return driver;
}

/** @param {Config} config @param {NodeJS.ProcessEnv} env */
function settingsOf(config, env) {
  const url = config.redisUrl || env.UPSHIFT_REDIS_URL;
  if (!url) {
    throw new ConfigurationError('redisUrl or UPSHIFT_REDIS_URL is missing: the controller\'s Redis, such as redis://127.0.0.1:6379');
  }
  const namespace = config.namespace || env.UPSHIFT_NAMESPACE || 'upshift';
  if (!/^[A-Za-z0-9._-]{1,64}$/.test(namespace)) {
    throw new ConfigurationError(`a namespace is 1 to 64 letters, digits, dots, dashes or underscores, got '${clean(namespace, 80)}'`);
  }
  const attributes = attributesOf(config.service, config.attributes ?? {}, env);
  const baseline = frequency('baselineHz', config.baselineHz, 'UPSHIFT_BASELINE_HZ', env.UPSHIFT_BASELINE_HZ?.trim());
  return {
    server: parseUrl(url.trim()),
    namespace,
    attributes,
    targets: targetsOf(attributes),
    secrets: secretsOf(config.secrets, env.UPSHIFT_SECRET_FILE?.trim()),
    baseline: { default: baseline ?? DEFAULT_HZ, environments: new Map(), profiles: new Map() },
    maxHz: frequency('maxHz', config.maxHz, 'UPSHIFT_MAX_HZ', env.UPSHIFT_MAX_HZ?.trim()),
    driver: driverOf(config.driver, env.UPSHIFT_DRIVER?.trim()),
    tls: config.tls ?? {},
    logger: config.logger ?? console,
    resyncMs: Number(env.UPSHIFT_TEST_RESYNC_S ?? 30) * 1000,
  };
}

module.exports = { settingsOf };
