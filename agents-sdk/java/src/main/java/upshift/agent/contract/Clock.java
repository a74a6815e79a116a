package upshift.agent.contract;

/** Redis time, from a steady clock and what Redis has said. Not safe for threads. */
public final class Clock {
  private double offset;
  private boolean heard;
  private boolean synchronised;

  /**
   * Begins with the wall clock, for want of anything better.
   *
   * @param wallMs ms since 1970
   * @param steadyMs ms of a clock that no step of the wall clock moves
   */
  public Clock(double wallMs, double steadyMs) {
    offset = wallMs - steadyMs;
  }

  /**
   * Returns Redis time.
   *
   * @param steadyMs now
   * @return ms since 1970, rounded down
   */
  public long nowMs(double steadyMs) {
    return (long) Math.floor(steadyMs + offset);
  }

  /**
   * Takes a plan's time, if nothing else has been heard.
   *
   * @param planNowMs its {@code now_ms}
   * @param steadyMs now
   */
  public void pushed(long planNowMs, double steadyMs) {
    if (!heard) {
      offset = planNowMs - steadyMs;
      heard = true;
    }
  }

  /**
   * Takes an answer to TIME.
   *
   * @param redisMs what it says, ms
   * @param sentMs when it was asked, steady
   * @param receivedMs when the answer came, steady
   */
  public void answered(double redisMs, double sentMs, double receivedMs) {
    double low = redisMs - receivedMs;
    double high = redisMs - sentMs;
    if (!synchronised || offset < low || offset > high) {
      offset = (low + high) / 2;
    }
    heard = true;
    synchronised = true;
  }

  /**
   * Returns whether Redis has answered TIME.
   *
   * @return whether the time is Redis's own
   */
  public boolean synchronised() {
    return synchronised;
  }
}
