/** Following and driving: the three threads of an agent. Not for applications. */
package upshift.agent.running;
