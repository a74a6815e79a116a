package upshift.agent.drivers;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.time.Instant;
import java.util.EnumMap;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import jdk.jfr.FlightRecorder;
import jdk.jfr.Recording;
import upshift.agent.driver.Decision;
import upshift.agent.driver.Driver;
import upshift.agent.driver.Profile;
import upshift.agent.running.Errands;
import upshift.agent.running.Log;

/**
 * Drives JFR in this process: the settings of a recording that runs are changed, nothing restarts.
 *
 * <p>{@code cpu} is {@code jdk.CPUTimeSample} where the JVM has it (25, on Linux), else {@code
 * jdk.ExecutionSample}; {@code alloc} is {@code jdk.ObjectAllocationSample} (16 or newer) by its throttle.
 * Windows of ten seconds, ended early at each change, go to Pyroscope or a callback as pprof. JFR's
 * periods are whole milliseconds, so 19 Hz is one sample in 53 ms, which is reported as achieved.
 */
public final class JfrDriver implements Driver {
  static final String ALLOC = "jdk.ObjectAllocationSample";

  private static final String EXECUTION = "jdk.ExecutionSample";
  private static final String CPU_TIME = "jdk.CPUTimeSample";
  private static final Duration WINDOW = Duration.ofSeconds(10);
  private static final String DEFAULT_ADDRESS = "http://localhost:4040";
  private static final int HAS_ALLOC = 16; // the JVM's version

  private final Push push;
  private final Consumer<Window> sink;
  private final Errands errands = new Errands("upshift-windows", 8);
  private final Map<Profile, Double> achieved = new EnumMap<>(Profile.class);
  private volatile Consumer<String> complain = line -> {};
  private Recording recording;
  private String cpuEvent;
  private long periodMs;
  private Instant since;
  private long sinceNs;

  /**
   * Pushes to the Pyroscope that {@code PYROSCOPE_SERVER_ADDRESS} names, else {@code
   * http://localhost:4040}.
   *
   * @param environment variables; {@code PYROSCOPE_BASIC_AUTH_USER}, {@code PYROSCOPE_BASIC_AUTH_PASSWORD}
   *     and {@code PYROSCOPE_TENANT_ID} are read too
   */
  public JfrDriver(Map<String, String> environment) {
    this(new Push(environment.getOrDefault("PYROSCOPE_SERVER_ADDRESS", DEFAULT_ADDRESS), environment), null);
  }

  /**
   * Pushes to a Pyroscope.
   *
   * @param serverAddress such as {@code http://pyroscope:4040}
   */
  public JfrDriver(String serverAddress) {
    this(new Push(serverAddress, System.getenv()), null);
  }

  /**
   * Hands windows to a callback.
   *
   * @param sink called on a thread of the driver's
   */
  public JfrDriver(Consumer<Window> sink) {
    this(null, sink);
  }

  private JfrDriver(Push push, Consumer<Window> sink) {
    this.push = push;
    this.sink = sink;
  }

  @Override
  public String name() {
    return "jfr";
  }

  @Override
  public Set<Profile> profiles() {
    return Runtime.version().feature() < HAS_ALLOC ? Set.of(Profile.CPU) : Set.of(Profile.CPU, Profile.ALLOC);
  }

  @Override
  public void identify(Map<String, String> attributes, Consumer<String> complain) {
    this.complain = complain;
    if (push != null) {
      push.identify(attributes);
    }
  }

  @Override
  public void apply(Map<Profile, Decision> decisions) throws IOException {
    long cpuHz = decisions.get(Profile.CPU).hz();
    long allocHz = decisions.containsKey(Profile.ALLOC) ? decisions.get(Profile.ALLOC).hz() : 0;
    if (recording == null && cpuHz + allocHz > 0) {
      begin();
    } else if (recording != null) {
      cut();
    }
    if (cpuHz + allocHz == 0) {
      end();
      periodMs = 0;
    } else {
      periodMs = cpuHz == 0 ? 0 : Math.max(1, (1000 + cpuHz - 1) / cpuHz); // never above what was asked for
      set(cpuHz, allocHz);
    }
    achieved.put(Profile.CPU, periodMs == 0 ? 0.0 : 1000.0 / periodMs);
    achieved.put(Profile.ALLOC, (double) allocHz);
  }

  private void begin() {
    boolean cpuTime = FlightRecorder.getFlightRecorder().getEventTypes().stream().anyMatch(is -> is.getName().equals(CPU_TIME));
    cpuEvent = cpuTime ? CPU_TIME : EXECUTION;
    recording = new Recording();
    recording.setName("upshift");
    recording.setToDisk(true);
    recording.setMaxAge(WINDOW.multipliedBy(3));
    recording.start();
    since = Instant.now();
    sinceNs = System.nanoTime();
  }

  private void set(long cpuHz, long allocHz) {
    if (cpuHz == 0) {
      recording.disable(cpuEvent);
    } else if (cpuEvent.equals(CPU_TIME)) {
      // A period, not a rate: two throttles that differ, one of them a rate, give no samples at all.
      recording.enable(cpuEvent).with("throttle", periodMs + " ms").withStackTrace();
    } else {
      recording.enable(cpuEvent).withPeriod(Duration.ofMillis(periodMs)).withStackTrace();
    }
    if (allocHz > 0) {
      recording.enable(ALLOC).with("throttle", allocHz + "/s").withStackTrace();
    } else {
      recording.disable(ALLOC);
    }
  }

  @Override
  public void tick() throws IOException {
    if (recording != null && System.nanoTime() - sinceNs >= WINDOW.toNanos()) {
      cut();
    }
    if (recording != null && recording.getState() != jdk.jfr.RecordingState.RUNNING) {
      recording = null;
      throw new IllegalStateException("somebody has ended the recording 'upshift'");
    }
  }

  /** Ends the window: what it holds is copied now, and read and sent by another thread. */
  private void cut() throws IOException {
    Instant from = since;
    Instant until = Instant.now();
    since = until;
    sinceNs = System.nanoTime();
    Path file = Files.createTempFile("upshift-", ".jfr");
    try (Recording snapshot = FlightRecorder.getFlightRecorder().takeSnapshot();
        InputStream data = snapshot.getStream(from, until)) {
      if (data != null) {
        Files.copy(data, file, StandardCopyOption.REPLACE_EXISTING);
      }
    }
    Recorded recorded = new Recorded(from, until, cpuEvent, periodMs * 1_000_000);
    errands.execute(() -> send(recorded, file));
  }

  private void send(Recorded recorded, Path file) {
    try {
      if (Files.size(file) > 0) {
        recorded.read(file);
        recorded.windows(this::send);
      }
    } catch (IOException | RuntimeException broken) {
      complain.accept("a window of JFR cannot be read: " + Log.describe(broken));
    } finally {
      delete(file);
    }
  }

  private void send(Window window) {
    try {
      if (push == null) {
        sink.accept(window);
      } else {
        push.send(window);
      }
    } catch (IOException | RuntimeException away) {
      complain.accept("a profile is not taken: " + Log.describe(away));
    }
  }

  private static void delete(Path file) {
    try {
      Files.deleteIfExists(file);
    } catch (IOException left) {
      file.toFile().deleteOnExit();
    }
  }

  private void end() {
    if (recording != null) {
      recording.close();
      recording = null;
    }
  }

  @Override
  public Map<Profile, Double> achieved() {
    return Map.copyOf(achieved);
  }

  @Override
  public void close(Map<Profile, Decision> baseline) {
    if (recording != null) {
      try {
        cut();
        end();
      } catch (IOException | RuntimeException exiting) {
        // at the JVM's exit JFR takes its files away at the same time: the last window is lost
      }
    }
    errands.finish(2_000);
  }
}
