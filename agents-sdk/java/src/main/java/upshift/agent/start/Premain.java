package upshift.agent.start;

import java.lang.instrument.Instrumentation;
import upshift.agent.Config;
import upshift.agent.Upshift;

/** Starts an agent from the environment alone, before the application's main or in a JVM that runs. */
public final class Premain {
  private Premain() {}

  /**
   * Begins before main.
   *
   * @param arguments none are known
   * @param instrumentation not used: no class is changed
   */
  public static void premain(String arguments, Instrumentation instrumentation) {
    // On a thread of its own: the application's main waits for nothing, such as JFR's beginning.
    Thread thread = new Thread(null, Premain::start, "upshift-start", 0, false);
    thread.setDaemon(true);
    thread.start();
  }

  /**
   * Begins in a JVM that runs.
   *
   * @param arguments none are known
   * @param instrumentation not used
   */
  public static void agentmain(String arguments, Instrumentation instrumentation) {
    premain(arguments, instrumentation);
  }

  private static void start() {
    try {
      // Not by a logger: one that is made before main may take the place of the application's own.
      Upshift.start(new Config().log((level, line) -> System.err.println("upshift_agent: " + line)));
    } catch (Throwable wrong) {
      System.err.println("upshift_agent: the agent does not start: " + wrong.getMessage());
    }
  }
}
