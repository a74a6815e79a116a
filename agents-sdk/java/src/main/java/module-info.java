/** The Java SDK of Upshift. What applications need is in {@code upshift.agent}. */
module upshift.agent {
  requires static java.instrument;
  requires static jdk.jfr;
  requires static java.logging;

  exports upshift.agent.contract;
}
