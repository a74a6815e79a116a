package upshift.agent.contract;

import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** One claim on the frequency, with an end of its own. */
public final class Lease {
  private static final Set<String> OF_AN_INSTANCE =
      Set.of("service.instance.id", "k8s.pod.name", "upshift.agent.id", "process.pid");

  /** Names it, of all plans. */
  public final String id;

  /** {@code boost}, {@code pin} or {@code cap}. */
  public final String kind;

  /** Which frequency: a profile's name, or {@code all}. */
  public final String profile;

  /** The frequency, in the profile's own unit. */
  public final long hz;

  /** Redis time in ms at which it began. */
  public final long sinceMs;

  /** Redis time in ms from which on it is not in force any more. */
  public final long expiresAtMs;

  /** Attribute → the values that fit. */
  public final Map<String, List<String>> where;

  /** Its share of the agents, above 0, at most 1. */
  public final double fraction;

  /** Where that share begins, from 0 to below 1. */
  public final double fractionFrom;

  /** Why, for people. */
  public final Map<String, Object> because;

  Lease(
      String id,
      String kind,
      String profile,
      long hz,
      long sinceMs,
      long expiresAtMs,
      Map<String, List<String>> where,
      double fraction,
      double fractionFrom,
      Map<String, Object> because) {
    this.id = id;
    this.kind = kind;
    this.profile = profile;
    this.hz = hz;
    this.sinceMs = sinceMs;
    this.expiresAtMs = expiresAtMs;
    this.where = Collections.unmodifiableMap(where);
    this.fraction = fraction;
    this.fractionFrom = fractionFrom;
    this.because = Collections.unmodifiableMap(because);
  }

  /**
   * Returns the lease, moved to now if it begins more than 5 s later: Redis's clock was set back.
   *
   * @param nowMs Redis time
   * @return this, or one as long that begins now
   */
  Lease bounded(long nowMs) {
    if (sinceMs - 5000 <= nowMs) {
      return this;
    }
    long length = Math.max(0, expiresAtMs - sinceMs);
    long end = nowMs > 0 && length > Long.MAX_VALUE - nowMs ? Long.MAX_VALUE : nowMs + length;
    return new Lease(id, kind, profile, hz, nowMs, end, where, fraction, fractionFrom, because);
  }

  int width(String target) {
    return !Collections.disjoint(OF_AN_INSTANCE, where.keySet()) ? 2 : target.equals(Target.FLEET) ? 0 : 1;
  }

  boolean applies(Map<String, String> attributes) {
    for (Map.Entry<String, List<String>> wanted : Attributes.present(where).entrySet()) {
      String value = attributes.get(wanted.getKey());
      if (value == null || !wanted.getValue().contains(value)) {
        return false; // absent is not empty
      }
    }
    return selected(attributes.getOrDefault("upshift.agent.id", ""));
  }

  /**
   * Returns whether the lease's share holds an agent.
   *
   * @param agentId its {@code upshift.agent.id}, or empty
   * @return whether it does
   */
  public boolean selected(String agentId) {
    if (fraction >= 1) {
      return true;
    }
    double beyond = share(agentId) - fractionFrom;
    return (beyond < 0 ? beyond + 1 : beyond) < fraction;
  }

  /**
   * Returns an agent's place on the circle of this lease.
   *
   * @param agentId its {@code upshift.agent.id}, or empty
   * @return from 0 to below 1, exact
   */
  public double share(String agentId) {
    try {
      byte[] hash = MessageDigest.getInstance("SHA-256").digest(Text.utf8(id + "\n" + sinceMs + "\n" + agentId));
      return (ByteBuffer.wrap(hash).getLong() >>> 11) / (double) (1L << 53);
    } catch (NoSuchAlgorithmException impossible) {
      throw new IllegalStateException(impossible); // every JVM has it
    }
  }
}
