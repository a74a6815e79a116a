package upshift.agent;

/** Where it begins. */
public final class Upshift {
  private Upshift() {}

  /**
   * Starts an agent, and returns at once. After that nothing is thrown, and nothing of the
   * application's waits for it.
   *
   * @param config what it is told; what is left out comes from the environment
   * @return the agent
   * @throws ConfigurationException a setting is wrong
   */
  public static Agent start(Config config) {
    return new Agent(config);
  }

  /**
   * Starts an agent that the environment describes: {@code UPSHIFT_DRIVER}, else {@code jfr}.
   *
   * @return the agent
   * @throws ConfigurationException a variable is wrong
   */
  public static Agent start() {
    return start(new Config());
  }
}
