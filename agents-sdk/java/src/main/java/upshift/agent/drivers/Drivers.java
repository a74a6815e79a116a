package upshift.agent.drivers;

import java.util.Map;
import java.util.ServiceLoader;
import upshift.agent.driver.Driver;

/** Drivers by their names. */
public final class Drivers {
  private Drivers() {}

  /**
   * Returns a driver that a variable names.
   *
   * @param name {@code jfr}, {@code pyroscope}, or one that a provider of {@link Driver} has; null: {@code jfr}
   * @param environment variables that drivers read
   * @return a new one
   * @throws IllegalArgumentException there is none of that name
   */
  public static Driver named(String name, Map<String, String> environment) {
    if (name == null || name.equals("jfr")) {
      try {
        return new JfrDriver(environment);
      } catch (NoClassDefFoundError absent) {
        throw new IllegalArgumentException("the driver jfr needs the module jdk.jfr, which this JVM does not have", absent);
      }
    }
    if (name.equals("pyroscope")) {
      try {
        return new PyroscopeDriver();
      } catch (NoClassDefFoundError absent) {
        throw new IllegalArgumentException("the driver pyroscope needs io.pyroscope:agent on the class path", absent);
      }
    }
    for (Driver driver : ServiceLoader.load(Driver.class)) {
      if (driver.name().equals(name)) {
        return driver;
      }
    }
    throw new IllegalArgumentException(
        "no driver is named '" + name + "'; there are jfr, pyroscope, and what META-INF/services names");
  }
}
