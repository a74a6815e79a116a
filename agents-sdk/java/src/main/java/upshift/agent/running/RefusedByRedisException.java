package upshift.agent.running;

/** The session is over: what the server says, or does not say. */
final class RefusedByRedisException extends Exception {
  private static final long serialVersionUID = 1;

  RefusedByRedisException(String why) {
    super(why, null, false, false);
  }
}
