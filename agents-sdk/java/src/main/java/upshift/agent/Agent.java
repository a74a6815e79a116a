package upshift.agent;

import java.time.Duration;
import java.util.Map;
import upshift.agent.driver.Decision;
import upshift.agent.driver.Profile;
import upshift.agent.running.Log;
import upshift.agent.running.Running;

/** An agent that runs: its methods cost nothing, and throw nothing. */
public final class Agent implements AutoCloseable {
  private static final long AT_EXIT_MS = 250;

  private final Running running;
  private final Thread atExit;

  Agent(Config config) {
    running = new Running(config.check(), new Log(config.sink()));
    atExit = new Thread(null, () -> running.stop(AT_EXIT_MS), "upshift-exit", 0, false);
    try {
      Runtime.getRuntime().addShutdownHook(atExit);
    } catch (IllegalStateException exiting) {
      running.stop(0);
    }
  }

  /**
   * Returns what is wanted now, and why.
   *
   * @return of each profile that the driver can raise; nothing in the first moments
   */
  public Map<Profile, Decision> decisions() {
    return running.decisions();
  }

  /**
   * Returns where the agent stands, as controllers see it.
   *
   * @return a status of the wire contract, JSON; empty in the first moments
   */
  public String status() {
    return running.status();
  }

  /**
   * Returns whether plans are followed.
   *
   * @return false: leases held run to their ends, then the baseline applies
   */
  public boolean connected() {
    return running.connected();
  }

  /**
   * Ends the agent: its profiler is closed, its status deleted.
   *
   * @param most how long to wait for that
   * @return whether it has ended by then
   */
  public boolean stop(Duration most) {
    try {
      Runtime.getRuntime().removeShutdownHook(atExit);
    } catch (IllegalStateException exiting) {
      // the hook does the same
    }
    return running.stop(most.toMillis());
  }

  /** Ends the agent, and waits 5 s for it at most. */
  @Override
  public void close() {
    stop(Duration.ofSeconds(5));
  }
}
