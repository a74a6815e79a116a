package upshift.agent.contract;

import java.util.Collections;
import java.util.Map;

/** The frequency where no lease applies. */
public final class Baseline {
  /** {@code cpu}'s, Hz, where its environment has none. */
  public final long normal;

  /** Environment → {@code cpu}'s Hz. */
  public final Map<String, Long> environments;

  /** Profile → number in its unit, of all but {@code cpu}. */
  public final Map<String, Long> profiles;

  /**
   * Makes one.
   *
   * @param normal {@code cpu}'s default, Hz
   * @param environments environment → {@code cpu}'s Hz
   * @param profiles of the other profiles
   */
  public Baseline(long normal, Map<String, Long> environments, Map<String, Long> profiles) {
    this.normal = normal;
    this.environments = Collections.unmodifiableMap(environments);
    this.profiles = Collections.unmodifiableMap(profiles);
  }

  long hz(String profile, String environment) {
    return profile.equals("cpu") ? environments.getOrDefault(environment, normal) : profiles.getOrDefault(profile, 0L);
  }

  String name(String profile, String environment) {
    if (profile.equals("cpu")) {
      return environments.containsKey(environment) ? environment : "default";
    }
    return profiles.containsKey(profile) ? profile : "off";
  }
}
