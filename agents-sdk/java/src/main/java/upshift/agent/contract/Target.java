package upshift.agent.contract;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Whom a plan is addressed to, and where its messages are. */
public final class Target {
  /** Everyone. */
  public static final String FLEET = "fleet";

  private static final String PLAIN = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._/-";

  private Target() {}

  /**
   * Returns whether text is a target.
   *
   * @param text any
   * @return whether it is {@code fleet}, {@code service/NAME} or {@code node/NAME}
   */
  public static boolean is(String text) {
    boolean named = text.startsWith("service/") && text.length() > 8 || text.startsWith("node/") && text.length() > 5;
    return text.equals(FLEET) || named && Text.plain(text) && Text.utf8(text).length <= 256;
  }

  /**
   * Returns the targets of an agent in an application: its service, its node, the fleet.
   *
   * @param attributes the agent's
   * @return two or three targets, the first of which has its status
   */
  public static List<String> followed(Map<String, String> attributes) {
    List<String> targets = new ArrayList<>();
    String node = attributes.get("k8s.node.name");
    if (node == null && !attributes.containsKey("k8s.pod.name")) {
      node = attributes.get("host.name");
    }
    for (String target : new String[] {"service/" + attributes.getOrDefault("service.name", ""), "node/" + node}) {
      if (is(target) && !target.equals("node/null")) {
        targets.add(target);
      }
    }
    targets.add(FLEET);
    return targets;
  }

  /**
   * Returns the name of a target's key or channel.
   *
   * @param namespace first part of every key
   * @param target whose
   * @param what {@code plan}, {@code changes} or {@code agents}
   * @return the key
   */
  public static String key(String namespace, String target, String what) {
    StringBuilder key = new StringBuilder(namespace).append(":v1:{");
    for (byte b : Text.utf8(target)) {
      if (b > 0 && PLAIN.indexOf(b) >= 0) {
        key.append((char) b);
      } else {
        key.append(String.format("%%%02X", b & 0xFF));
      }
    }
    return key.append("}:").append(what).toString();
  }
}
