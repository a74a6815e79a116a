package upshift.agent.driver;

import java.util.Locale;

/** What a lease raises. */
public enum Profile {
  /** What runs: samples per second. */
  CPU,
  /** What waits as well: samples per second. */
  WALL,
  /** What is allocated: samples per second. */
  ALLOC,
  /** What waits for a lock: samples per second. */
  LOCK,
  /** What is in use: snapshots per hour. */
  HEAP;

  /**
   * Returns the name in plans.
   *
   * @return such as {@code cpu}
   */
  public String key() {
    return name().toLowerCase(Locale.ROOT);
  }

  /**
   * Returns a frequency for people.
   *
   * @param hz in this profile's unit
   * @return such as {@code 19 Hz}, {@code wall 10 Hz}, {@code heap 4 an hour}
   */
  public String shown(long hz) {
    return this == CPU ? hz + " Hz" : key() + " " + hz + (this == HEAP ? " an hour" : " Hz");
  }
}
