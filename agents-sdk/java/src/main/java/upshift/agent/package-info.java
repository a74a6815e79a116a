/**
 * The SDK of Upshift: it follows the plans of one service and drives one profiler.
 *
 * <pre>{@code
 * Agent agent = Upshift.start(new Config()
 *     .redisUrl("redis://127.0.0.1:6379")
 *     .service("checkout")
 *     .driver(new JfrDriver("http://pyroscope:4040")));
 * }</pre>
 */
package upshift.agent;
