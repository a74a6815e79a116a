package upshift.agent.contract;

import java.util.ArrayList;
import java.util.List;

/** Why, in one line for people, worded alike in every SDK. */
final class Reason {
  private Reason() {}

  static String of(Lease lease) {
    List<String> parts = new ArrayList<>();
    add(parts, "alert ", lease.because.get("alertname"));
    add(parts, "", lease.because.get("reason"));
    add(parts, "by ", lease.because.get("by"));
    add(parts, "via ", lease.because.get("via"));
    String name = lease.id.startsWith(lease.kind + "/") ? lease.id : lease.kind + " " + lease.id;
    return parts.isEmpty() ? name : name + ": " + String.join(", ", parts);
  }

  static String held(String reason, long asked, String profile) {
    String unit = profile.equals("heap") ? " an hour" : " Hz";
    return reason + "; held to this agent's max_hz, asked for " + asked + unit;
  }

  private static void add(List<String> parts, String word, Object value) {
    boolean whole = value instanceof Long && (Long) value > 0;
    if (whole || value instanceof String && !((String) value).isEmpty()) {
      parts.add(word + value);
    }
  }
}
