package upshift.agent.driver;

import java.time.Instant;

/** What an agent does now about one profile. */
public final class Decision {
  private final long hz;
  private final long previousHz;
  private final String lease;
  private final String kind;
  private final String reason;
  private final Instant until;

  /**
   * Makes one.
   *
   * @param hz see {@link #hz}
   * @param previousHz see {@link #previousHz}
   * @param lease see {@link #lease}
   * @param kind see {@link #kind}
   * @param reason see {@link #reason}
   * @param until see {@link #until}
   */
  public Decision(long hz, long previousHz, String lease, String kind, String reason, Instant until) {
    this.hz = hz;
    this.previousHz = previousHz;
    this.lease = lease;
    this.kind = kind;
    this.reason = reason;
    this.until = until;
  }

  /**
   * Returns the frequency that is wanted.
   *
   * @return samples a second, of {@code heap} snapshots an hour; 0: it stands still
   */
  public long hz() {
    return hz;
  }

  /**
   * Returns the frequency that the driver has confirmed last.
   *
   * @return the same unit; -1 before the first
   */
  public long previousHz() {
    return previousHz;
  }

  /**
   * Returns the lease that decides.
   *
   * @return its id; null: the baseline
   */
  public String lease() {
    return lease;
  }

  /**
   * Returns what the lease is.
   *
   * @return {@code boost}, {@code pin}, {@code cap}; null: the baseline
   */
  public String kind() {
    return kind;
  }

  /**
   * Returns why.
   *
   * @return one line for people
   */
  public String reason() {
    return reason;
  }

  /**
   * Returns when the answer changes next, by Redis's clock.
   *
   * @return null: never
   */
  public Instant until() {
    return until;
  }

  @Override
  public String toString() {
    return hz + " Hz: " + reason;
  }
}
