package upshift.agent.contract;

import java.util.Collections;
import java.util.List;

/** All live leases of one target at one revision. */
public final class Plan {
  /** Whose. */
  public final String target;

  /** Grows with each change. */
  public final long rev;

  /** Redis time in ms at the commit. */
  public final long nowMs;

  /** The revision before this one, 0 for none; below 0: unsaid. */
  public final long after;

  /** What is in force. */
  public final List<Lease> leases;

  /** The fleet's baseline, or null. */
  public final Baseline baseline;

  /** A line for each lease that this agent cannot follow. */
  public final List<String> skipped;

  Plan(String target, long rev, long nowMs, long after, List<Lease> leases, Baseline baseline, List<String> skipped) {
    this.target = target;
    this.rev = rev;
    this.nowMs = nowMs;
    this.after = after;
    this.leases = Collections.unmodifiableList(leases);
    this.baseline = baseline;
    this.skipped = Collections.unmodifiableList(skipped);
  }

  Plan with(List<Lease> others) {
    return new Plan(target, rev, nowMs, after, others, baseline, skipped);
  }

  /**
   * Returns the plan as if all its leases had ended.
   *
   * @return the baseline, if it has one
   */
  public Plan withoutLeases() {
    return with(List.of());
  }
}
