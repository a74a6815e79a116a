'use strict';

const { Agent } = require('./agent.js');
const { ConfigurationError } = require('./errors.js');
const { settingsOf } = require('./settings.js');

/**
 * Starts an agent and returns at once; what is not given is read from the environment.
 *
 * @param {import('../index').Config} [config]
 * @returns {import('../index').Agent} throws `ConfigurationError` where a setting is wrong
 */
function start(config = {}) {
  return new Agent(settingsOf(config, process.env));
}

module.exports.start = start;
module.exports.ConfigurationError = ConfigurationError;
Object.defineProperty(module.exports, 'PprofDriver', {
  enumerable: true, get: () => require('./drivers/pprof.js').PprofDriver,
});
Object.defineProperty(module.exports, 'PyroscopeDriver', {
  enumerable: true, get: () => require('./drivers/pyroscope.js').PyroscopeDriver,
});
