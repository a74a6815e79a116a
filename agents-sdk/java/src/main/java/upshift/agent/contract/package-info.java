/**
 * The wire contract: messages, decisions, text, time. Pure: no I/O, no clock, no state but what it is
 * handed. Not for applications; it may change at any time.
 */
package upshift.agent.contract;
