package upshift.agent.running;

import java.util.Map;
import upshift.agent.driver.Decision;
import upshift.agent.driver.Profile;

/** One agent: its three threads, and where it stands. */
public final class Running {
  private final Log log;
  private final Thread first;
  private Engine engine;
  private Driving driving;
  private Follower follower;
  private Thread following;
  private boolean stopped;
  private volatile boolean ready;

  /**
   * Starts the threads.
   *
   * @param settings checked
   * @param log takes what there is to say
   */
  public Running(Settings settings, Log log) {
    this.log = log;
    first = Errands.daemon(() -> run(settings), "upshift-driver");
    try {
      first.start();
    } catch (Throwable refused) { // the process has reached its limit of threads
      log.warn("the agent cannot run here: " + Log.describe(refused));
    }
  }

  /** All of it is made on the agent's own thread: an application's start waits for no class of ours. */
  private void run(Settings settings) {
    try {
      synchronized (this) {
        engine = new Engine(settings, log);
        follower = new Follower(settings, engine, log);
        driving = new Driving(engine, settings, log, follower);
        following = Errands.daemon(follower, "upshift-follower");
        following.start();
        Errands.daemon(follower.pushes(), "upshift-pushes").start();
        ready = true;
        if (stopped) {
          end();
        }
      }
    } catch (Throwable refused) {
      log.warn("the agent cannot run here: " + Log.describe(refused));
    }
    if (driving != null) {
      driving.run();
    }
  }

  private void end() {
    driving.end();
    follower.end();
  }

  /**
   * Returns what is wanted now.
   *
   * @return of each profile of the driver; nothing in the first moments
   */
  public Map<Profile, Decision> decisions() {
    Engine of = begun();
    return of == null ? Map.of() : of.decisions();
  }

  /**
   * Returns where the agent stands.
   *
   * @return a status of the contract, JSON; empty in the first moments
   */
  public String status() {
    Engine of = begun();
    return of == null ? "" : of.status().write();
  }

  /**
   * Returns whether plans are followed.
   *
   * @return false: what is held counts
   */
  public boolean connected() {
    return begun() != null && follower.connected();
  }

  private Engine begun() {
    return ready ? engine : null;
  }

  /**
   * Ends the agent in good order.
   *
   * @param ms how long to wait for it at most
   * @return whether it has ended by then
   */
  public boolean stop(long ms) {
    double until = Steady.nowMs() + ms;
    synchronized (this) {
      stopped = true;
      if (driving != null) {
        end();
      }
    }
    try {
      first.join(Math.max(1, ms));
      if (following != null) {
        following.join(Math.max(1, (long) (until - Steady.nowMs())));
      }
    } catch (InterruptedException told) {
      Thread.currentThread().interrupt();
    }
    return !first.isAlive() && (following == null || !following.isAlive());
  }
}
