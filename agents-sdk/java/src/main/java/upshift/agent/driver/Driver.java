package upshift.agent.driver;

import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;

/**
 * Sets the frequencies of one profiler. All methods but {@link #name} and {@link #profiles} are called on
 * the agent's driver thread, one at a time: one that takes long keeps the next from being called, and
 * nothing else.
 */
public interface Driver {
  /**
   * Returns the name in the status.
   *
   * @return one line of at most 100 characters
   */
  String name();

  /**
   * Returns what it can raise. Asked once.
   *
   * @return at least one
   */
  default Set<Profile> profiles() {
    return Set.of(Profile.CPU);
  }

  /**
   * Is told once, before all else, whose profiler it is.
   *
   * @param attributes the agent's
   * @param complain takes a line for the agent's log, which says the same once; from any thread
   */
  default void identify(Map<String, String> attributes, Consumer<String> complain) {}

  /**
   * Sets the frequencies of all its profiles. What is thrown is told in the status, and it is called
   * again after 1 s at first and 30 s at last.
   *
   * @param decisions one for each profile
   * @throws Exception if the frequencies are not what is wanted now
   */
  void apply(Map<Profile, Decision> decisions) throws Exception;

  /**
   * Is called twice a second at least while nothing else is: to end a window, say.
   *
   * @throws Exception if the frequencies do not hold any more; they are then applied anew
   */
  default void tick() throws Exception {}

  /**
   * Returns what the profiler truly does. Asked after each apply and tick.
   *
   * @return of the profiles of which it can tell; 0 of one that stands back for another
   */
  default Map<Profile, Double> achieved() {
    return Map.of();
  }

  /**
   * Ends the profiler, or leaves it at the baseline.
   *
   * @param baseline what is wanted without any lease
   * @throws Exception if it could not; that is logged
   */
  default void close(Map<Profile, Decision> baseline) throws Exception {
    apply(baseline);
  }
}
