/** The Java SDK of Upshift: {@code upshift.agent} is for applications, {@code driver} for whoever writes one. */
module upshift.agent {
  requires static java.instrument;
  requires static jdk.jfr;

  exports upshift.agent;
  exports upshift.agent.driver;
  exports upshift.agent.drivers;

  uses upshift.agent.driver.Driver;
}
