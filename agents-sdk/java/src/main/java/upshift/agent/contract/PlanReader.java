package upshift.agent.contract;

import java.math.BigInteger;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/** Message → plan, or the reason why it is refused. */
public final class PlanReader {
  private static final Set<String> KINDS = Set.of("boost", "pin", "cap");
  private static final Set<String> PROFILES = Set.of("cpu", "wall", "alloc", "lock", "heap");
  private static final int MOST_LEASES = 400;

  private PlanReader() {}

  /**
   * Returns the plan that a message is.
   *
   * @param message as it came
   * @param secrets what it may be signed with; none: signatures are not looked at
   * @return the plan
   * @throws RefusedException if the message breaks any rule
   */
  public static Plan read(byte[] message, List<byte[]> secrets) throws RefusedException {
    Map<String, Object> fields = Json.object(message);
    if (fields.containsKey("sig")) {
      byte[] plan = Text.utf8(text("message.plan", fields.get("plan")));
      if (!secrets.isEmpty()) {
        check(plan, text("message.sig", fields.get("sig")), secrets);
      }
      fields = Json.object(plan);
    } else if (!secrets.isEmpty()) {
      throw new RefusedException("this plan is not signed, and a secret is set");
    }
    if (!Long.valueOf(1).equals(fields.get("v"))) {
      throw new RefusedException("plan version must be 1, got " + Json.shown(fields.get("v")));
    }
    return plan(fields);
  }

  private static void check(byte[] plan, String sig, List<byte[]> secrets) throws RefusedException {
    boolean good = false;
    for (byte[] secret : secrets) {
      good |= MessageDigest.isEqual(Text.utf8(sign(plan, secret)), Text.utf8(sig));
    }
    if (!good) {
      throw new RefusedException("this plan is signed with another secret");
    }
  }

  /**
   * Returns a plan's signature.
   *
   * @param plan its UTF-8
   * @param secret at least one byte
   * @return 64 small hexadecimal digits
   */
  public static String sign(byte[] plan, byte[] secret) {
    try {
      Mac mac = Mac.getInstance("HmacSHA256");
      mac.init(new SecretKeySpec(secret, "HmacSHA256"));
      return String.format("%064x", new BigInteger(1, mac.doFinal(plan)));
    } catch (GeneralSecurityException impossible) {
      throw new IllegalStateException(impossible); // every JVM has it
    }
  }

  private static Plan plan(Map<String, Object> fields) throws RefusedException {
    String target = text("plan.target", fields.get("target"));
    if (!Target.is(target)) {
      throw new RefusedException("a target is service/NAME, node/NAME or fleet, got " + Json.shown(target));
    }
    List<Lease> leases = new ArrayList<>();
    List<String> skipped = new ArrayList<>();
    Object listed = fields.getOrDefault("leases", List.of());
    if (!(listed instanceof List)) {
      throw new RefusedException("plan.leases must be a list, got " + Json.shown(listed));
    }
    if (((List<?>) listed).size() > MOST_LEASES) {
      throw new RefusedException("a plan has at most 400 leases, this one " + ((List<?>) listed).size());
    }
    for (Object lease : (List<?>) listed) {
      Map<String, Object> of = Json.fields("lease", lease);
      String unknown = unknown(of);
      if (unknown == null) {
        leases.add(lease(of));
      } else {
        skipped.add(Text.clean(unknown, 300));
      }
    }
    Object after = fields.get("after");
    return new Plan(
        target,
        whole("plan.rev", fields.get("rev")),
        whole("plan.now_ms", fields.get("now_ms")),
        after == null ? -1 : whole("plan.after", after),
        leases,
        fields.get("baseline") == null ? null : baseline(Json.fields("baseline", fields.get("baseline"))),
        skipped);
  }

  /** Returns the line for {@code skipped}; null: nothing about the lease is unknown. */
  private static String unknown(Map<String, Object> of) {
    Object kind = of.get("kind");
    Object profile = of.get("profile");
    if (kind instanceof String && !KINDS.contains(kind)) {
      return named(of) + ": unknown kind '" + kind + "'";
    }
    boolean known = PROFILES.contains(profile instanceof String ? profile : "") || "all".equals(profile) && "cap".equals(kind);
    if (of.containsKey("profile") && !known) {
      return named(of) + ": unknown profile " + (profile instanceof String ? "'" + profile + "'" : Json.shown(profile));
    }
    return null;
  }

  private static String named(Map<String, Object> of) {
    Object id = of.get("id");
    return id instanceof String ? "lease '" + id + "'" : "lease " + Json.shown(id);
  }

  private static Lease lease(Map<String, Object> of) throws RefusedException {
    double fraction = number("lease.fraction", of.getOrDefault("fraction", 1L));
    double from = number("lease.fraction_from", of.getOrDefault("fraction_from", 0L));
    if (!(fraction > 0 && fraction <= 1)) {
      throw new RefusedException("lease.fraction must be above 0 and at most 1, got " + fraction);
    }
    if (!(from >= 0 && from < 1)) {
      throw new RefusedException("lease.fraction_from must be from 0 to below 1, got " + from);
    }
    Map<String, List<String>> where = new LinkedHashMap<>();
    Object asked = of.getOrDefault("where", Map.of());
    for (Map.Entry<String, Object> wanted : Json.fields("lease.where", asked).entrySet()) {
      where.put(wanted.getKey(), texts(wanted.getValue()));
    }
    return new Lease(
        text("lease.id", of.get("id")),
        text("lease.kind", of.get("kind")),
        of.containsKey("profile") ? text("lease.profile", of.get("profile")) : "cpu",
        whole("lease.hz", of.get("hz")),
        whole("lease.since_ms", of.get("since_ms")),
        whole("lease.expires_at_ms", of.get("expires_at_ms")),
        where,
        fraction,
        from,
        Json.fields("lease.because", of.getOrDefault("because", Map.of())));
  }

  private static List<String> texts(Object wanted) throws RefusedException {
    if (wanted instanceof String) {
      return List.of((String) wanted);
    }
    if (!(wanted instanceof List)) {
      throw new RefusedException("lease.where asks for text or a list of texts, got " + Json.shown(wanted));
    }
    List<String> texts = new ArrayList<>();
    for (Object one : (List<?>) wanted) {
      texts.add(text("lease.where", one));
    }
    return texts;
  }

  private static Baseline baseline(Map<String, Object> of) throws RefusedException {
    return new Baseline(whole("baseline.default", of.get("default")), wholes(of, "environments"), wholes(of, "profiles"));
  }

  private static Map<String, Long> wholes(Map<String, Object> of, String name) throws RefusedException {
    Map<String, Long> wholes = new LinkedHashMap<>();
    for (Map.Entry<String, Object> one : Json.fields("baseline." + name, of.getOrDefault(name, Map.of())).entrySet()) {
      wholes.put(one.getKey(), whole("baseline." + name, one.getValue()));
    }
    return wholes;
  }

  private static String text(String what, Object value) throws RefusedException {
    if (value instanceof String) {
      return (String) value;
    }
    throw new RefusedException(what + " must be text, got " + Json.shown(value));
  }

  private static long whole(String what, Object value) throws RefusedException {
    if (value instanceof Long && (Long) value >= 0) {
      return (Long) value;
    }
    throw new RefusedException(what + " must be a whole number from 0 up, got " + Json.shown(value));
  }

  private static double number(String what, Object value) throws RefusedException {
    if (value instanceof Number) {
      return ((Number) value).doubleValue();
    }
    throw new RefusedException(what + " must be a number, got " + Json.shown(value));
  }
}
