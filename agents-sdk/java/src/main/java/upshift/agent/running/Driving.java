package upshift.agent.running;

import java.util.Map;
import upshift.agent.driver.Decision;
import upshift.agent.driver.Driver;
import upshift.agent.driver.Profile;

/** The driver's thread: acts upon ends of leases, calls the driver, and nothing waits for it. */
final class Driving implements Runnable {
  private static final double JUMP_MS = 1_000;
  private static final long PAUSE_MS = 50; // whatever fails again and again burns no core

  private final Engine engine;
  private final Driver driver;
  private final Settings settings;
  private final Log log;
  private final Follower follower;
  private volatile boolean ended;
  private double aheadMs = System.currentTimeMillis() - Steady.nowMs();

  Driving(Engine engine, Settings settings, Log log, Follower follower) {
    this.engine = engine;
    this.driver = settings.driver;
    this.settings = settings;
    this.log = log;
    this.follower = follower;
  }

  void end() {
    ended = true;
    engine.wake();
  }

  @Override
  public void run() {
    boolean identified = false;
    while (!ended) {
      try {
        Steady.look();
        lookAtTheWallClock();
        Map<Profile, Decision> decisions = engine.next();
        if (decisions != null) {
          follower.ring();
          if (!identified) {
            driver.identify(settings.attributes, log::once);
            identified = true;
          }
          driver.apply(decisions);
          engine.succeeded(driver.achieved());
          follower.ring();
        } else {
          driver.tick();
          engine.achieves(driver.achieved());
          engine.nap();
        }
      } catch (Throwable failure) { // an Error of a profiler's native library too
        tell(failure);
      }
    }
    try {
      driver.close(engine.withoutLeases());
    } catch (Throwable failure) {
      log.warn("driver failed to stop: " + Log.describe(failure));
    }
  }

  private void tell(Throwable failure) {
    try {
      engine.failed(Log.describe(failure));
      follower.ring();
      Thread.sleep(PAUSE_MS);
    } catch (Throwable again) {
      // no memory, say: this thread goes on, since nobody else ends leases
    }
  }

  private void lookAtTheWallClock() {
    double ahead = System.currentTimeMillis() - Steady.nowMs();
    if (Math.abs(ahead - aheadMs) > JUMP_MS) {
      aheadMs = ahead;
      follower.doubt(); // a paused machine may have woken
    }
  }
}
