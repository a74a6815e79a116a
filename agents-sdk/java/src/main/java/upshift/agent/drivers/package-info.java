/** Drivers of profilers: JFR, and pyroscope-java where an application has it. */
package upshift.agent.drivers;
