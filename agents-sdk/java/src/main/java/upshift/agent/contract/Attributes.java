package upshift.agent.contract;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeMap;

/** Who an agent is. */
public final class Attributes {
  private Attributes() {}

  /**
   * Returns attributes under their present names; a present name beats its older spelling.
   *
   * @param <V> of the values
   * @param attributes under any names
   * @return a copy
   */
  public static <V> Map<String, V> present(Map<String, V> attributes) {
    Map<String, V> renamed = new LinkedHashMap<>(attributes);
    V older = renamed.remove("deployment.environment");
    if (older != null) {
      renamed.putIfAbsent("deployment.environment.name", older);
    }
    return renamed;
  }

  /**
   * Returns the member of {@code versions} that tells that a version lives.
   *
   * @param attributes an agent's
   * @return JSON, or null: there is none to tell
   */
  public static String version(Map<String, String> attributes) {
    Map<String, String> given = present(attributes);
    Map<String, String> told = new TreeMap<>();
    for (String name :
        new String[] {
          "service.name",
          "service.version",
          "deployment.environment.name",
          "k8s.namespace.name",
          "service.namespace",
          "k8s.cluster.name"
        }) {
      String value = given.getOrDefault(name, "");
      if (!value.isEmpty() && Text.plain(value) && Text.utf8(value).length <= 256) {
        told.put(name, value);
      }
    }
    if (!told.containsKey("service.name") || !told.containsKey("service.version")) {
      return null;
    }
    StringBuilder member = new StringBuilder("{");
    told.forEach(
        (name, value) -> {
          JsonWriter.quote(name, member.append(member.length() > 1 ? "," : ""), false);
          JsonWriter.quote(value, member.append(':'), false);
        });
    return member.append('}').toString();
  }
}
