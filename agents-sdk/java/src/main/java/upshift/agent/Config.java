package upshift.agent;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BiConsumer;
import upshift.agent.contract.Baseline;
import upshift.agent.contract.Target;
import upshift.agent.contract.Text;
import upshift.agent.driver.Driver;
import upshift.agent.drivers.Drivers;
import upshift.agent.running.RedisUrl;
import upshift.agent.running.Settings;

/** All that an agent is told. What is left out is read from the environment, by the variables named. */
public final class Config {
  private static final int MOST_ATTRIBUTES = 32_768;
  private static final int HIGHEST = 1000;
  private static final int NORMAL_HZ = 19;

  private final Map<String, String> environment;
  private final Map<String, String> attributes = new LinkedHashMap<>();
  private final List<byte[]> secrets = new ArrayList<>();
  private String redisUrl;
  private String service;
  private String namespace;
  private Driver driver;
  private Integer baselineHz;
  private Integer maxHz;
  private BiConsumer<System.Logger.Level, String> sink;
  private double resyncMs;

  /** Begins with what the environment says. */
  public Config() {
    this(System.getenv());
  }

  Config(Map<String, String> environment) {
    this.environment = environment;
  }

  /**
   * Sets the controller's Redis: {@code redis://}, {@code rediss://}, {@code unix://}, {@code
   * redis+sentinel://HOST,HOST/NAME} or {@code redis+cluster://HOST,HOST} ({@code UPSHIFT_REDIS_URL}).
   *
   * @param url required, here or there
   * @return this
   */
  public Config redisUrl(String url) {
    redisUrl = url;
    return this;
  }

  /**
   * Sets the service whose plans are followed ({@code OTEL_SERVICE_NAME}, else {@code service.name} of
   * {@code OTEL_RESOURCE_ATTRIBUTES}).
   *
   * @param name required, here or there
   * @return this
   */
  public Config service(String name) {
    service = name;
    return this;
  }

  /**
   * Sets an OpenTelemetry Resource attribute, beside those of {@code OTEL_RESOURCE_ATTRIBUTES} and those
   * that a process can find.
   *
   * @param name such as {@code deployment.environment.name}
   * @param value what a lease's {@code where} can ask for
   * @return this
   */
  public Config attribute(String name, String value) {
    attributes.put(name, value);
    return this;
  }

  /**
   * Sets what sets the profiler's frequencies ({@code UPSHIFT_DRIVER}: {@code jfr}, {@code pyroscope} or
   * a provider's, else {@code jfr}).
   *
   * @param is serves this agent alone
   * @return this
   */
  public Config driver(Driver is) {
    driver = is;
    return this;
  }

  /**
   * Sets {@code cpu}'s frequency without any plan ({@code UPSHIFT_BASELINE_HZ}, else 19).
   *
   * @param hz 0 to 1000
   * @return this
   */
  public Config baselineHz(int hz) {
    baselineHz = hz;
    return this;
  }

  /**
   * Sets what no profile of this process exceeds ({@code UPSHIFT_MAX_HZ}, else there is no such limit).
   *
   * @param hz 0 to 1000; of {@code heap} snapshots an hour
   * @return this
   */
  public Config maxHz(int hz) {
    maxHz = hz;
    return this;
  }

  /**
   * Sets the first part of every key ({@code UPSHIFT_NAMESPACE}, else {@code upshift}).
   *
   * @param name 1 to 64 letters, digits, dots, dashes or underscores
   * @return this
   */
  public Config namespace(String name) {
    namespace = name;
    return this;
  }

  /**
   * Adds what plans may be signed with; without any, one a line of the file {@code UPSHIFT_SECRET_FILE},
   * else no signature is needed.
   *
   * @param secret not empty
   * @return this
   */
  public Config secret(String secret) {
    secrets.add(Text.utf8(secret));
    return this;
  }

  /**
   * Sets what takes the lines that the agent has to say, else the {@link System.Logger} {@code
   * upshift_agent}. It may hang or throw.
   *
   * @param sink called on a thread of the agent's
   * @return this
   */
  public Config log(BiConsumer<System.Logger.Level, String> sink) {
    this.sink = sink;
    return this;
  }

  /** For small tests: how often plans are read anew, which nothing but a test has to change. */
  Config resync(double ms) {
    resyncMs = ms;
    return this;
  }

  BiConsumer<System.Logger.Level, String> sink() {
    return sink != null ? sink : (level, line) -> System.getLogger("upshift_agent").log(level, line);
  }

  Settings check() {
    Settings checked = new Settings();
    String url = given(redisUrl, "UPSHIFT_REDIS_URL");
    if (url == null) {
      throw new ConfigurationException(
          "UPSHIFT_REDIS_URL or Config.redisUrl is missing: the controller's Redis, such as redis://127.0.0.1:6379");
    }
    try {
      checked.redis = new RedisUrl(url);
    } catch (IllegalArgumentException wrong) {
      throw new ConfigurationException(wrong.getMessage());
    }
    String space = given(namespace, "UPSHIFT_NAMESPACE");
    checked.namespace = space == null ? "upshift" : space;
    if (!checked.namespace.matches("[A-Za-z0-9._-]{1,64}")) {
      throw new ConfigurationException(
          "a namespace is 1 to 64 letters, digits, dots, dashes or underscores, got '" + shown(checked.namespace) + "'");
    }
    checked.secrets = secrets.isEmpty() ? fileOfSecrets() : secrets;
    if (checked.secrets.stream().anyMatch(secret -> secret.length == 0)) {
      throw new ConfigurationException("an empty secret signs nothing");
    }
    Long baseline = frequency("the baseline", baselineHz, "UPSHIFT_BASELINE_HZ");
    checked.baseline = new Baseline(baseline == null ? NORMAL_HZ : baseline, Map.of(), Map.of());
    Long max = frequency("the maximum", maxHz, "UPSHIFT_MAX_HZ");
    checked.maxHz = max == null ? -1 : max;
    checked.attributes = new Identity(environment).attributes(service, attributes);
    int size = 0;
    for (Map.Entry<String, String> one : checked.attributes.entrySet()) {
      size += Text.utf8(one.getKey()).length + Text.utf8(one.getValue()).length;
    }
    if (size > MOST_ATTRIBUTES) {
      throw new ConfigurationException(
          "the attributes have " + size + " bytes, names and values together; " + MOST_ATTRIBUTES + " are the most");
    }
    String name = checked.attributes.getOrDefault("service.name", "");
    if (name.isEmpty()) {
      throw new ConfigurationException("OTEL_SERVICE_NAME or Config.service is missing: the service whose plans are followed");
    }
    if (!Target.is("service/" + name)) {
      throw new ConfigurationException(
          "a service's name is plain text of at most 248 bytes, on one line, got '" + shown(name) + "'");
    }
    checked.targets = Target.followed(checked.attributes);
    try {
      checked.driver = driver != null ? driver : Drivers.named(given(null, "UPSHIFT_DRIVER"), environment);
    } catch (IllegalArgumentException unknown) {
      throw new ConfigurationException(unknown.getMessage());
    }
    checked.driverName = Text.clean(checked.driver.name(), 100);
    checked.profiles = checked.driver.profiles();
    if (checked.profiles.isEmpty()) {
      throw new ConfigurationException("the driver " + checked.driverName + " raises no profile");
    }
    checked.sdk = "upshift-java/0.1.0 java/" + Runtime.version().feature();
    checked.resyncMs = resyncMs > 0 ? resyncMs : checked.resyncMs;
    return checked;
  }

  private String given(String told, String variable) {
    if (told != null && !told.isEmpty()) {
      return told;
    }
    String text = environment.getOrDefault(variable, "").strip();
    return text.isEmpty() ? null : text;
  }

  private List<byte[]> fileOfSecrets() {
    String path = given(null, "UPSHIFT_SECRET_FILE");
    List<byte[]> found = new ArrayList<>();
    if (path == null) {
      return found;
    }
    try {
      for (String line : new String(Files.readAllBytes(Path.of(path)), StandardCharsets.UTF_8).split("\n")) {
        if (!line.isBlank()) {
          found.add(Text.utf8(line.strip()));
        }
      }
    } catch (IOException | RuntimeException unreadable) {
      throw new ConfigurationException("UPSHIFT_SECRET_FILE cannot be read: " + unreadable);
    }
    if (found.isEmpty()) {
      throw new ConfigurationException("UPSHIFT_SECRET_FILE: " + path + " holds no secret; without the variable none is needed");
    }
    return found;
  }

  private Long frequency(String what, Integer told, String variable) {
    String text = told == null ? given(null, variable) : told.toString();
    if (text == null) {
      return null;
    }
    if (!text.matches("\\d{1,4}") || Integer.parseInt(text) > HIGHEST) {
      throw new ConfigurationException(
          (told == null ? variable : what) + " is a whole number of Hz from 0 to " + HIGHEST + ", got '" + shown(text) + "'");
    }
    return Long.valueOf(text);
  }

  private static String shown(String text) {
    return Text.clean(text, 80);
  }
}
