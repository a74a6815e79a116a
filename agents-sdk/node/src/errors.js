'use strict';

/** Wrong settings, told when the agent is made; nothing else is ever thrown into the application. */
class ConfigurationError extends Error {
  name = 'ConfigurationError';
}

/** @param {unknown} error @returns {string} it in one line */
function describe(error) {
  if (!(error instanceof Error)) return String(error);
  const said = error.message || /** @type {{ code?: string }} */ (error).code || '';
  return said === '' ? error.name : `${error.name}: ${said}`;
}

module.exports = { ConfigurationError, describe };
