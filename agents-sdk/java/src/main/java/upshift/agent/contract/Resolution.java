package upshift.agent.contract;

import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;

/** What an agent does now about one profile; the only place where frequencies are decided. */
public final class Resolution {
  private static final Comparator<Lease> BY_ID = (a, b) -> Text.compare(a.id, b.id);
  private static final Comparator<Lease> BY_HZ = Comparator.comparingLong(lease -> lease.hz);
  private static final Comparator<Lease> BY_END = Comparator.comparingLong(lease -> lease.expiresAtMs);
  private static final Comparator<Lease> BOOSTS = BY_HZ.thenComparing(BY_END).thenComparing(BY_ID);
  private static final Comparator<Lease> CAPS = BY_HZ.thenComparing(BY_END.reversed()).thenComparing(BY_ID);
  private static final Comparator<Claim> PINS =
      Comparator.<Claim>comparingInt(claim -> claim.width)
          .thenComparingLong(claim -> claim.lease.sinceMs)
          .thenComparing(claim -> claim.lease, BY_ID);

  /** The frequency that is wanted. */
  public final long hz;

  /** What decided; null: the baseline. */
  public final Lease lease;

  /** Redis time in ms when the answer changes next; below 0: never. */
  public final long untilMs;

  /** The frequency without the agent's own maximum, where that binds; below 0: it does not. */
  public final long clampedFrom;

  /** The same in one line for people. */
  public final String reason;

  private Resolution(long hz, Lease lease, long untilMs, long clampedFrom, String reason) {
    this.hz = hz;
    this.lease = lease;
    this.untilMs = untilMs;
    this.clampedFrom = clampedFrom;
    this.reason = reason;
  }

  /**
   * Decides.
   *
   * @param plans those held
   * @param attributes the agent's
   * @param baseline the agent's own
   * @param maxHz the agent's own maximum, below 0: none
   * @param nowMs Redis time
   * @param profile which frequency
   * @return the decision
   */
  public static Resolution resolve(
      Collection<Plan> plans,
      Map<String, String> attributes,
      Baseline baseline,
      long maxHz,
      long nowMs,
      String profile) {
    Map<String, String> present = Attributes.present(attributes);
    List<Claim> claims = new ArrayList<>();
    Baseline base = baseline;
    for (Plan plan : plans) {
      if (plan.target.equals(Target.FLEET) && plan.baseline != null) {
        base = plan.baseline;
      }
      for (Lease lease : plan.leases) {
        boolean ofThis = lease.profile.equals(profile) || lease.profile.equals("all");
        if (ofThis && nowMs < lease.expiresAtMs && lease.applies(present)) {
          claims.add(new Claim(lease.width(plan.target), lease));
        }
      }
    }
    String environment = present.getOrDefault("deployment.environment.name", "");
    long baseHz = base.hz(profile, environment);
    Lease lease = decisive(claims, baseHz, Long.MIN_VALUE);
    long hz = lease == null ? baseHz : lease.hz;
    String reason = lease == null ? "baseline (" + base.name(profile, environment) + ")" : Reason.of(lease);
    reason = Text.clean(reason, 1000);
    if (maxHz < 0 || hz <= maxHz) {
      return new Resolution(hz, lease, until(claims, baseHz, lease), -1, reason);
    }
    String held = Reason.held(reason, hz, profile);
    return new Resolution(maxHz, lease, until(claims, baseHz, lease), hz, held);
  }

  private static long until(List<Claim> claims, long baseHz, Lease lease) {
    TreeSet<Long> ends = new TreeSet<>();
    claims.forEach(claim -> ends.add(claim.lease.expiresAtMs));
    for (long end : ends) {
      if (decisive(claims, baseHz, end) != lease) {
        return end;
      }
    }
    return -1;
  }

  /** Returns the lease that decides once all that end by {@code endMs} have ended. */
  private static Lease decisive(List<Claim> claims, long baseHz, long endMs) {
    Lease boost = null;
    Claim pin = null;
    Lease cap = null;
    for (Claim claim : claims) {
      Lease lease = claim.lease;
      if (lease.expiresAtMs <= endMs) {
        continue;
      }
      if (lease.kind.equals("boost") && lease.hz > baseHz) {
        boost = boost == null || BOOSTS.compare(lease, boost) > 0 ? lease : boost;
      } else if (lease.kind.equals("pin")) {
        pin = pin == null || PINS.compare(claim, pin) > 0 ? claim : pin;
      } else if (lease.kind.equals("cap")) {
        cap = cap == null || CAPS.compare(lease, cap) < 0 ? lease : cap;
      }
    }
    Lease lease = pin != null ? pin.lease : boost;
    boolean binds = cap != null && cap.hz < (lease == null ? baseHz : lease.hz);
    return binds ? cap : lease;
  }

  private static final class Claim {
    final int width;
    final Lease lease;

    Claim(int width, Lease lease) {
      this.width = width;
      this.lease = lease;
    }
  }
}
