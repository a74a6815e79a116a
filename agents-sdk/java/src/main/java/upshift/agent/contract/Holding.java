package upshift.agent.contract;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** The plan in force of one target, and the ids of what it holds though Redis has lost it. Immutable. */
public final class Holding {
  private static final long DAY_MS = 24 * 60 * 60 * 1000L;

  /** The plan in force. */
  public final Plan plan;

  private final Set<String> lost;

  private Holding(Plan plan, Set<String> lost) {
    this.plan = plan;
    this.lost = lost;
  }

  /**
   * Returns what is held once a plan has come.
   *
   * @param held what was held, or null
   * @param plan what came
   * @param nowMs Redis time, below 0 before Redis has answered TIME
   * @return {@code held} itself if the plan is no news
   */
  public static Holding take(Holding held, Plan plan, long nowMs) {
    if (held == null) {
      return new Holding(plan, Set.of());
    }
    Plan before = held.plan;
    long aDayOn = (nowMs + DAY_MS) * 1000;
    boolean lostTime = nowMs >= 0 && plan.rev <= aDayOn && aDayOn < before.rev;
    if (plan.rev <= before.rev && !lostTime) {
      return held;
    }
    List<Lease> leases = new ArrayList<>(plan.leases);
    Set<String> lost = new HashSet<>();
    if (plan.after >= 0) {
      Set<String> listed = new HashSet<>();
      plan.leases.forEach(lease -> listed.add(lease.id));
      for (Lease lease : before.leases) {
        boolean unseen = held.lost.contains(lease.id) || lease.sinceMs > plan.after / 1000;
        if (!listed.contains(lease.id) && lease.expiresAtMs > plan.nowMs && unseen) {
          leases.add(lease);
          lost.add(lease.id);
        }
      }
    }
    return new Holding(plan.with(leases), lost);
  }

  /**
   * Returns what is held once Redis has answered TIME: no lease begins more than 5 s after now.
   *
   * @param nowMs Redis time
   * @return this, or one with leases that were moved
   */
  public Holding bounded(long nowMs) {
    List<Lease> leases = new ArrayList<>();
    plan.leases.forEach(lease -> leases.add(lease.bounded(nowMs)));
    return leases.equals(plan.leases) ? this : new Holding(plan.with(leases), lost);
  }
}
