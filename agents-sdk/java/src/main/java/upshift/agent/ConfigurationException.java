package upshift.agent;

/** A setting is wrong; the message says which, and what would be right. */
public final class ConfigurationException extends IllegalArgumentException {
  private static final long serialVersionUID = 1;

  /**
   * Says what.
   *
   * @param what one sentence
   */
  public ConfigurationException(String what) {
    super("upshift: " + what);
  }
}
