package upshift.agent.running;

import java.util.List;
import java.util.Map;
import upshift.agent.driver.Decision;
import upshift.agent.driver.Profile;

/** One agent: its three threads, and where it stands. */
public final class Running {
  private final Engine engine;
  private final Follower follower;
  private final Driving driving;
  private final List<Thread> threads;

  /**
   * Starts the threads.
   *
   * @param settings checked
   * @param log takes what there is to say
   */
  public Running(Settings settings, Log log) {
    engine = new Engine(settings, log);
    follower = new Follower(settings, engine, log);
    driving = new Driving(engine, settings, log, follower);
    threads =
        List.of(
            Errands.daemon(driving, "upshift-driver"),
            Errands.daemon(follower, "upshift-follower"),
            Errands.daemon(follower.pushes(), "upshift-pushes"));
    try {
      threads.forEach(Thread::start);
    } catch (Throwable refused) { // the process has reached its limit of threads
      log.warn("the agent cannot run here: " + Log.describe(refused));
    }
  }

  /**
   * Returns what is wanted now.
   *
   * @return of each profile of the driver
   */
  public Map<Profile, Decision> decisions() {
    return engine.decisions();
  }

  /**
   * Returns where the agent stands.
   *
   * @return a status of the contract, JSON
   */
  public String status() {
    return engine.status().write();
  }

  /**
   * Returns whether plans are followed.
   *
   * @return false: what is held counts
   */
  public boolean connected() {
    return follower.connected();
  }

  /**
   * Ends the agent in good order.
   *
   * @param ms how long to wait for it at most
   * @return whether it has ended by then
   */
  public boolean stop(long ms) {
    driving.end();
    follower.end();
    double until = Steady.nowMs() + ms;
    try {
      for (Thread thread : threads) {
        if (thread != threads.get(2)) { // that one ends with the follower's connection
          thread.join(Math.max(1, (long) (until - Steady.nowMs())));
        }
      }
    } catch (InterruptedException told) {
      Thread.currentThread().interrupt();
    }
    return !threads.get(0).isAlive() && !threads.get(1).isAlive();
  }
}
