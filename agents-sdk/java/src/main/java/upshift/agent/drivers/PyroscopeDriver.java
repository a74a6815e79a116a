package upshift.agent.drivers;

import io.pyroscope.javaagent.EventType;
import io.pyroscope.javaagent.ProfilerDelegate;
import io.pyroscope.javaagent.PyroscopeAgent;
import io.pyroscope.javaagent.Snapshot;
import io.pyroscope.javaagent.api.Exporter;
import io.pyroscope.javaagent.api.Logger;
import io.pyroscope.javaagent.api.ProfilingScheduler;
import io.pyroscope.javaagent.config.Config;
import io.pyroscope.javaagent.impl.DefaultLogger;
import io.pyroscope.javaagent.impl.PyroscopeExporter;
import java.time.Duration;
import java.time.Instant;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import upshift.agent.driver.Decision;
import upshift.agent.driver.Driver;
import upshift.agent.driver.Profile;
import upshift.agent.running.Errands;

/**
 * Drives pyroscope-java (2.9, {@code io.pyroscope:agent}) by a scheduler of its own; do not start that
 * library yourself. Each change ends a window, which is sent with its own rate.
 *
 * <p>{@code cpu} and {@code wall} are one sampler: of the two the one runs that a boost or a pin asks for,
 * {@code cpu} if both do or neither. {@code alloc} is one sample for each 10 MiB / Hz allocated, 64 KiB at
 * the least; {@code lock} one for each second / Hz waited. With {@code cpu} and {@code wall} at 0 all
 * stands still.
 */
public final class PyroscopeDriver implements Driver {
  private static final long ALLOC_BYTES = 10 << 20;
  private static final long LEAST_ALLOC_BYTES = 64 << 10;
  private static final String GIVEN_NAME = "PYROSCOPE_APPLICATION_NAME";

  private final Errands errands = new Errands("upshift-windows", 8);
  private final Map<Profile, Double> achieved = new EnumMap<>(Profile.class);
  private Config config;
  private Logger logger;
  private ProfilerDelegate profiler;
  private Exporter exporter;
  private Instant since;
  private long sinceNs;
  private boolean runs;

  /** Reads {@code PYROSCOPE_…} variables and {@code pyroscope.properties}, as the library does. */
  public PyroscopeDriver() {
    this(Config.build());
  }

  /**
   * Takes the library's settings, but those that follow from plans.
   *
   * @param config interval, event, alloc and lock are overwritten
   */
  public PyroscopeDriver(Config config) {
    this.config = config;
    logger = new DefaultLogger(config.logLevel, System.err);
  }

  @Override
  public String name() {
    return "pyroscope";
  }

  @Override
  public Set<Profile> profiles() {
    return Set.of(Profile.CPU, Profile.WALL, Profile.ALLOC, Profile.LOCK);
  }

  @Override
  public void identify(Map<String, String> attributes, Consumer<String> complain) {
    Map<String, String> labels = new HashMap<>(config.labels);
    attributes.forEach(
        (name, value) ->
            labels.putIfAbsent(name.replaceAll("[^A-Za-z0-9_]", "_"), value.replaceAll("[{},=\\p{Cntrl}]", "_")));
    Config.Builder named = config.newBuilder().setLabels(labels);
    String service = attributes.get("service.name");
    if (service != null && System.getenv(GIVEN_NAME) == null) {
      named.setApplicationName(service.replaceAll("[{},=\\p{Cntrl}]", "_"));
    }
    config = named.build();
  }

  @Override
  public void apply(Map<Profile, Decision> decisions) {
    Decision cpu = decisions.get(Profile.CPU);
    Decision wall = decisions.get(Profile.WALL);
    boolean asWall = wall.hz() > 0 && (cpu.hz() == 0 || asked(wall) && !asked(cpu));
    long hz = asWall ? wall.hz() : cpu.hz();
    long allocHz = hz == 0 ? 0 : decisions.get(Profile.ALLOC).hz();
    long lockHz = hz == 0 ? 0 : decisions.get(Profile.LOCK).hz();
    end();
    if (hz > 0) {
      config =
          config
              .newBuilder()
              .setProfilingEvent(asWall ? EventType.WALL : EventType.ITIMER)
              .setProfilingInterval(Duration.ofNanos(1_000_000_000 / hz))
              .setProfilingAlloc(allocHz == 0 ? "" : Long.toString(Math.max(LEAST_ALLOC_BYTES, ALLOC_BYTES / allocHz)))
              .setProfilingLock(lockHz == 0 ? "" : 1_000_000 / lockHz + "us")
              .build();
      if (profiler == null) {
        hook();
      }
      exporter = new PyroscopeExporter(config, logger); // the rate is its URL's
      profiler.setConfig(config);
      begin();
    }
    achieved.put(Profile.CPU, asWall ? 0.0 : (double) hz);
    achieved.put(Profile.WALL, asWall ? (double) hz : 0.0);
    achieved.put(Profile.ALLOC, (double) allocHz);
    achieved.put(Profile.LOCK, (double) lockHz);
  }

  private static boolean asked(Decision decision) {
    return "boost".equals(decision.kind()) || "pin".equals(decision.kind());
  }

  /** Starts the library, which hands its profiler to the scheduler and leaves the rest to it. */
  private void hook() {
    ProfilingScheduler scheduler =
        new ProfilingScheduler() {
          @Override
          public void start(ProfilerDelegate is) {
            profiler = is;
          }

          @Override
          public void stop() {
            // close() has done it
          }
        };
    Exporter none =
        new Exporter() {
          @Override
          public void export(Snapshot snapshot) {
            // ours do
          }

          @Override
          public void stop() {
            // nothing to stop
          }
        };
    PyroscopeAgent.start(
        new PyroscopeAgent.Options.Builder(config).setScheduler(scheduler).setExporter(none).setLogger(logger).build());
    if (profiler == null) {
      throw new IllegalStateException("pyroscope-java runs already, or could not start: leave that to Upshift");
    }
  }

  private void begin() {
    profiler.start();
    runs = true;
    since = Instant.now();
    sinceNs = System.nanoTime();
  }

  /** Stops, and sends what there is. */
  private void end() {
    if (!runs) {
      return;
    }
    runs = false;
    profiler.stop();
    Snapshot snapshot = profiler.dumpProfile(since, Instant.now());
    Exporter of = exporter;
    errands.execute(() -> of.export(snapshot));
  }

  @Override
  public void tick() {
    if (runs && System.nanoTime() - sinceNs >= config.uploadInterval.toNanos()) {
      end();
      begin();
    }
  }

  @Override
  public Map<Profile, Double> achieved() {
    return Map.copyOf(achieved);
  }

  @Override
  public void close(Map<Profile, Decision> baseline) {
    end();
    if (profiler != null) {
      PyroscopeAgent.stop();
      profiler = null;
    }
    errands.finish(2_000);
  }
}
