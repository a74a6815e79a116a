'use strict';
// JSON as the contract reads it: JSON.parse would round integers past 2^53, and take 7.0 for 7.

/**
 * @typedef {null | boolean | number | bigint | string | Json[] | Map<string, Json>} Json
 * Integers are bigint, all other numbers number; an object is a Map, so that no name is inherited.
 */

const DEEPEST = 200; // plans nest 5 levels deep
const NUMBER = /-?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?/y;
const SPACE = /[ \t\n\r]*/y;

/** What was wrong with a message, in words for people. */
class Refused extends Error {}

/**
 * @param {string} text
 * @returns {Json} the document; throws `Refused` where the text breaks a rule of the contract page
 */
function read(text) {
  let at = 0;
  const wrong = (/** @type {string} */ what) => new Refused(`not JSON: ${what} at character ${at}`);

  const space = () => {
    SPACE.lastIndex = at;
    SPACE.exec(text);
    at = SPACE.lastIndex;
  };

  const string = () => {
    // Long texts would overrun the stack of the regular expression: they are cut by hand.
    let end = at + 1;
    while (end < text.length && text[end] !== '"') end += text[end] === '\\' ? 2 : 1;
    let value;
    try {
      value = JSON.parse(text.slice(at, end + 1));
    } catch {
      throw wrong('a broken text');
    }
    if (typeof value !== 'string') throw wrong('a broken text');
    if (!value.isWellFormed()) throw wrong('half a surrogate pair');
    at = end + 1;
    return value;
  };

  /** @returns {Json} */
  const value = (/** @type {number} */ depth) => {
    if (depth > DEEPEST) throw wrong(`more than ${DEEPEST} levels`);
    space();
    const first = text[at];
    if (first === '{') return object(depth);
    if (first === '[') return list(depth);
    if (first === '"') return string();
    for (const [word, meant] of /** @type {[string, Json][]} */ ([
      ['true', true], ['false', false], ['null', null],
    ])) {
      if (text.startsWith(word, at)) {
        at += word.length;
        return meant;
      }
    }
    NUMBER.lastIndex = at;
    const number = NUMBER.exec(text);
    if (number === null) throw wrong(at < text.length ? `unexpected ${JSON.stringify(first)}` : 'an end too early');
    at = NUMBER.lastIndex;
    if (number[1] === undefined && number[2] === undefined) {
      if (number[0].length > 400) throw wrong('a number beyond every double');
      return BigInt(number[0]);
    }
    const found = Number(number[0]);
    if (!Number.isFinite(found)) throw wrong('a number beyond every double');
    return found;
  };

  const object = (/** @type {number} */ depth) => {
    /** @type {Map<string, Json>} */
    const found = new Map();
    at += 1;
    space();
    if (text[at] === '}') {
      at += 1;
      return found;
    }
    for (;;) {
      space();
      if (text[at] !== '"') throw wrong('a name expected');
      const name = string();
      space();
      if (text[at] !== ':') throw wrong("':' expected");
      at += 1;
      found.set(name, value(depth + 1));
      space();
      at += 1;
      if (text[at - 1] === '}') return found;
      if (text[at - 1] !== ',') throw wrong("',' or '}' expected");
    }
  };

  const list = (/** @type {number} */ depth) => {
    /** @type {Json[]} */
    const found = [];
    at += 1;
    space();
    if (text[at] === ']') {
      at += 1;
      return found;
    }
    for (;;) {
      found.push(value(depth + 1));
      space();
      at += 1;
      if (text[at - 1] === ']') return found;
      if (text[at - 1] !== ',') throw wrong("',' or ']' expected");
    }
  };

  const document = value(0);
  space();
  if (at < text.length) throw wrong('something after the document');
  return document;
}

/**
 * @param {unknown} value of null, booleans, numbers, bigints, texts, lists, Maps and plain objects
 * @returns {string} it as JSON
 */
function write(value) {
  if (typeof value === 'bigint') return value.toString();
  if (Array.isArray(value)) return `[${value.map(write).join(',')}]`;
  if (value !== null && typeof value === 'object') {
    const fields = value instanceof Map ? [...value] : Object.entries(value);
    return `{${fields.map(([name, it]) => `${JSON.stringify(name)}:${write(it)}`).join(',')}}`;
  }
  return JSON.stringify(value);
}

module.exports = { Refused, read, write };
