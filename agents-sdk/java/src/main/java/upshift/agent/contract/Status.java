package upshift.agent.contract;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** What an agent says of itself. The fields are the message's; write it once they are set. */
public final class Status {
  /** For people; need not be unique. */
  public String instance = "";

  /** All that the agent gives to {@code resolve}, under present names. */
  public Map<String, String> attributes = Map.of();

  /** Which profiler. */
  public String driver = "";

  /** Redis time in ms of this report. */
  public long atMs;

  /** {@code applying}, {@code applied} or {@code failed}. */
  public String state = "applying";

  /** Redis time in ms since when the state is what it is. */
  public long sinceMs;

  /** Target → revision, of the plans held. */
  public Map<String, Long> revs = Map.of();

  /** Profile → what is wanted. */
  public Map<String, Resolution> requested = Map.of();

  /** What the driver has confirmed last, or null. */
  public Applied applied;

  /** Why it failed, or null. */
  public String error;

  /** What cannot be followed. */
  public List<String> skipped = List.of();

  /** The agent's own limit, below 0: none. */
  public long maxHz = -1;

  /** For people. */
  public String sdk = "";

  /** Begins one with nothing said. */
  public Status() {}

  /** What a driver has confirmed. Immutable. */
  public static final class Applied {
    final Map<String, Long> revs;
    final long atMs;
    final Map<String, Long> hz;
    final Map<String, Double> achieved;

    /**
     * Makes one.
     *
     * @param revs revisions that led to it
     * @param atMs Redis time in ms of the confirmation
     * @param hz profile → what was confirmed
     * @param achieved profile → what the profiler truly does, where it can tell
     */
    public Applied(Map<String, Long> revs, long atMs, Map<String, Long> hz, Map<String, Double> achieved) {
      this.revs = revs;
      this.atMs = atMs;
      this.hz = hz;
      this.achieved = achieved;
    }
  }

  /**
   * Returns the message.
   *
   * @return JSON
   */
  public String write() {
    Map<String, Object> wanted = new LinkedHashMap<>();
    requested.forEach(
        (profile, is) -> {
          Map<String, Object> one = new LinkedHashMap<>();
          one.put("hz", is.hz);
          one.put("lease", is.lease == null ? null : is.lease.id);
          one.put("reason", is.reason);
          one.put("until_ms", orNull(is.untilMs));
          one.put("clamped_from", orNull(is.clampedFrom));
          wanted.put(profile, one);
        });
    Map<String, Object> message = new LinkedHashMap<>();
    message.put("v", 1);
    message.put("instance", instance);
    message.put("attributes", Attributes.present(attributes));
    message.put("driver", Text.clean(driver, 100));
    message.put("at_ms", atMs);
    message.put("state", state);
    message.put("since_ms", sinceMs);
    message.put("requested", both(revs, wanted));
    message.put("applied", applied == null ? null : confirmed());
    message.put("error", error == null ? null : Text.clean(error, 500));
    List<String> lines = new ArrayList<>();
    skipped.forEach(line -> lines.add(Text.clean(line, 500)));
    message.put("skipped", lines);
    message.put("max_hz", orNull(maxHz));
    message.put("sdk", sdk);
    message.put("profiler", null); // each agent here has its own
    return JsonWriter.write(message);
  }

  /**
   * Returns what makes two reports differ: all but when it was written, and what the profiler achieves.
   *
   * @return nothing but {@code equals} is promised
   */
  public Object gist() {
    List<Object> wanted = new ArrayList<>();
    requested.forEach((profile, is) -> wanted.add(List.of(profile, is.hz, is.reason, is.untilMs)));
    Object done = applied == null ? "" : List.of(applied.revs, applied.hz, applied.atMs);
    return List.of(state, sinceMs, error == null ? "" : error, skipped, revs, wanted, done);
  }

  private Map<String, Object> confirmed() {
    Map<String, Object> profiles = new LinkedHashMap<>();
    applied.hz.forEach(
        (profile, hz) -> {
          Map<String, Object> one = new LinkedHashMap<>();
          one.put("hz", hz);
          Double achieved = applied.achieved.get(profile);
          boolean told = achieved != null && achieved >= 0 && achieved <= 1e9; // a NaN is neither
          one.put("achieved_hz", told ? achieved : null);
          profiles.put(profile, one);
        });
    Map<String, Object> fields = both(applied.revs, profiles);
    fields.put("at_ms", applied.atMs);
    return fields;
  }

  private static Map<String, Object> both(Map<String, Long> revs, Map<String, Object> profiles) {
    Map<String, Object> fields = new LinkedHashMap<>();
    fields.put("revs", revs);
    fields.put("profiles", profiles);
    return fields;
  }

  private static Long orNull(long number) {
    return number < 0 ? null : Long.valueOf(number);
  }
}
