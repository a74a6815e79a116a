/** What a driver is, for whoever writes one. */
package upshift.agent.driver;
