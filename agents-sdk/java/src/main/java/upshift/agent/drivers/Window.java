package upshift.agent.drivers;

import java.time.Instant;
import upshift.agent.driver.Profile;

/** What was sampled between two changes, for ten seconds at most: one profile, one period. */
public final class Window {
  private final Profile profile;
  private final Instant from;
  private final Instant until;
  private final byte[] pprof;

  Window(Profile profile, Instant from, Instant until, byte[] pprof) {
    this.profile = profile;
    this.from = from;
    this.until = until;
    this.pprof = pprof;
  }

  /**
   * Returns of what.
   *
   * @return {@code CPU} or {@code ALLOC}
   */
  public Profile profile() {
    return profile;
  }

  /**
   * Returns when it begins.
   *
   * @return by the machine's clock
   */
  public Instant from() {
    return from;
  }

  /**
   * Returns when it ends.
   *
   * @return by the machine's clock
   */
  public Instant until() {
    return until;
  }

  /**
   * Returns the samples.
   *
   * @return a gzipped pprof
   */
  public byte[] pprof() {
    return pprof.clone();
  }
}
