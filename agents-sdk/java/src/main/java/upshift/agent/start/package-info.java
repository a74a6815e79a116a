/** Starting without code: {@code java -javaagent:upshift-agent.jar}. */
package upshift.agent.start;
