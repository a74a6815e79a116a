package upshift.agent.running;

import java.util.Map;

/** What the driver has been told and has confirmed, and when it is called next. Pure; not safe for threads. */
final class Progress {
  private static final double FIRST_MS = 1_000;
  private static final double LONGEST_MS = 30_000;
  private static final double HUNG_MS = 4_000;

  private Map<String, Long> wanted;
  private Map<String, Long> revs;
  private Map<String, Long> called;
  private Map<String, Long> calledRevs;
  private Map<String, Long> confirmed;
  private Map<String, Long> confirmedRevs;
  private Map<String, Long> failed;
  private long confirmedAtMs;
  private String error;
  private double retryAt;
  private double pause;
  private double calledAt;

  /** Takes profile → frequency, and the revisions that they come from. */
  void want(Map<String, Long> hz, Map<String, Long> newer, long nowMs) {
    wanted = hz;
    revs = newer;
    if (error == null && called == null && hz.equals(confirmed) && !newer.equals(confirmedRevs)) {
      confirmedRevs = newer;
      confirmedAtMs = nowMs;
    }
  }

  /** Returns when the driver is to be called, steady; infinity: there is no need. */
  double due() {
    if (error == null) {
      return wanted.equals(confirmed) ? Double.POSITIVE_INFINITY : 0;
    }
    return wanted.equals(failed) ? retryAt : 0;
  }

  void begin(double steadyMs) {
    called = wanted;
    calledRevs = revs;
    calledAt = steadyMs;
  }

  void succeed(long nowMs) {
    confirmed = called;
    confirmedRevs = wanted.equals(called) ? revs : calledRevs;
    confirmedAtMs = nowMs;
    called = null;
    error = null;
    failed = null;
    pause = 0;
  }

  /** What was called, or has been confirmed, does not hold. */
  void fail(String why, double steadyMs) {
    Map<String, Long> of = called == null ? confirmed : called;
    pause = of != null && of.equals(failed) ? Math.min(pause * 2, LONGEST_MS) : FIRST_MS;
    failed = of;
    retryAt = steadyMs + pause;
    error = why;
    called = null;
  }

  String state(double steadyMs) {
    if (hung(steadyMs)) {
      return "applying";
    }
    if (error != null && wanted.equals(failed)) {
      return "failed";
    }
    return error == null && called == null && wanted.equals(confirmed) ? "applied" : "applying";
  }

  /** Returns the status's error, or null. */
  String error(double steadyMs) {
    if (hung(steadyMs)) {
      return String.format("driver has not returned for %.0f s", Math.floor((steadyMs - calledAt) / 1000));
    }
    return state(steadyMs).equals("failed") ? error : null;
  }

  boolean calling() {
    return called != null;
  }

  private boolean hung(double steadyMs) {
    return called != null && steadyMs - calledAt >= HUNG_MS;
  }

  Map<String, Long> confirmed() {
    return confirmed;
  }

  Map<String, Long> confirmedRevs() {
    return confirmedRevs;
  }

  long confirmedAtMs() {
    return confirmedAtMs;
  }
}
