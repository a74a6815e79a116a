package upshift.agent.running;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** A clock that no step of the wall clock moves, and that goes on while the machine is suspended. */
public final class Steady {
  // System.nanoTime stands still meanwhile; Linux's uptime does not, but counts in 10 ms.
  private static final Path UPTIME = Path.of("/proc/uptime");
  private static final double NOTICEABLE_MS = 500;

  private static double aheadMs = Double.NaN;
  private static volatile double suspendedMs;

  private Steady() {}

  /**
   * Returns the time.
   *
   * @return ms from some moment on
   */
  public static double nowMs() {
    return System.nanoTime() / 1e6 + suspendedMs;
  }

  /** Looks whether the machine was suspended; to be called at each waking. */
  static synchronized void look() {
    try {
      String uptime = new String(Files.readAllBytes(UPTIME), StandardCharsets.US_ASCII);
      double ahead = Double.parseDouble(uptime.substring(0, uptime.indexOf(' '))) * 1000 - System.nanoTime() / 1e6;
      if (Double.isNaN(aheadMs)) {
        aheadMs = ahead;
      } else if (ahead - aheadMs > NOTICEABLE_MS) {
        suspendedMs += ahead - aheadMs;
        aheadMs = ahead;
      }
    } catch (IOException | RuntimeException unknown) {
      // no Linux: what nanoTime says
    }
  }
}
