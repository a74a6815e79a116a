package upshift.agent.contract;

/** A message that breaks a rule of the contract; the text says which. */
public final class RefusedException extends Exception {
  private static final long serialVersionUID = 1;

  /**
   * Says why.
   *
   * @param why one sentence, not cleaned
   */
  public RefusedException(String why) {
    super(why, null, false, false);
  }
}
