package upshift.agent;

/** What the programs of the tests may, and applications may not. */
public final class Programs {
  private Programs() {}

  public static Agent start(Config config) {
    String seconds = System.getenv("UPSHIFT_TEST_RESYNC_S");
    return Upshift.start(seconds == null ? config : config.resync(Double.parseDouble(seconds) * 1000));
  }
}
