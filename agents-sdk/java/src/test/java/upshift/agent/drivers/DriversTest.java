package upshift.agent.drivers;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.OperatingSystemMXBean;
import com.sun.net.httpserver.HttpServer;
import io.pyroscope.javaagent.PyroscopeAgent;
import io.pyroscope.javaagent.config.Config;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.zip.GZIPInputStream;
import jdk.jfr.consumer.RecordingFile;
import org.junit.jupiter.api.Test;
import upshift.agent.driver.Decision;
import upshift.agent.driver.Driver;
import upshift.agent.driver.Profile;

class DriversTest {
  private static volatile double sink;

  private static Map<Profile, Decision> at(Driver driver, long cpu, long wall, String wallBy, long alloc) {
    Map<Profile, Decision> decisions = new EnumMap<>(Profile.class);
    for (Profile profile : driver.profiles()) {
      long hz = profile == Profile.CPU ? cpu : profile == Profile.WALL ? wall : profile == Profile.ALLOC ? alloc : 0;
      decisions.put(profile, new Decision(hz, -1, null, profile == Profile.WALL ? wallBy : null, "", null));
    }
    return decisions;
  }

  private static void busy(long ms) {
    long until = System.nanoTime() + ms * 1_000_000;
    List<byte[]> kept = new ArrayList<>();
    while (System.nanoTime() < until) {
      sink += Math.sqrt(sink + 1);
      kept.add(new byte[64_000]);
      if (kept.size() > 10) {
        kept.clear();
      }
    }
  }

  @Test
  void jfr_ends_a_window_at_each_change_and_hands_over_what_is_sampled() throws Exception {
    List<Window> windows = new CopyOnWriteArrayList<>();
    JfrDriver driver = new JfrDriver(windows::add);
    driver.apply(at(driver, 100, 0, null, 50));
    assertEquals(Map.of(Profile.CPU, 100.0, Profile.ALLOC, 50.0), driver.achieved());
    busy(1_000);
    driver.apply(at(driver, 19, 0, null, 0));
    assertEquals(1000.0 / 53, driver.achieved().get(Profile.CPU));
    busy(300);
    driver.tick();
    driver.apply(at(driver, 0, 0, null, 0));
    busy(100);
    driver.apply(at(driver, 0, 0, null, 0));
    driver.close(Map.of());
    assertEquals(List.of(Profile.CPU, Profile.ALLOC, Profile.CPU), profiles(windows));
    assertEquals(windows.get(0).until(), windows.get(2).from(), "nothing is lost between them");
    byte[] pprof = new GZIPInputStream(new ByteArrayInputStream(windows.get(1).pprof())).readAllBytes();
    assertTrue(new String(pprof, StandardCharsets.ISO_8859_1).contains("DriversTest.busy"));
  }

  private static List<Profile> profiles(List<Window> windows) {
    List<Profile> profiles = new ArrayList<>();
    windows.forEach(window -> profiles.add(window.profile()));
    return profiles;
  }

  @Test
  void a_recording_that_somebody_ends_is_a_failure_and_begun_again() throws Exception {
    JfrDriver driver = new JfrDriver(window -> {});
    driver.apply(at(driver, 19, 0, null, 0));
    jdk.jfr.FlightRecorder.getFlightRecorder().getRecordings().forEach(jdk.jfr.Recording::close);
    assertThrows(IllegalStateException.class, driver::tick);
    driver.apply(at(driver, 19, 0, null, 0));
    driver.tick();
    driver.close(Map.of());
  }

  @Test
  void pyroscope_java_is_driven_by_our_scheduler_with_each_windows_own_rate() throws Exception {
    List<String> received = new CopyOnWriteArrayList<>();
    List<Long> counted = new CopyOnWriteArrayList<>();
    double[] spentS = new double[2];
    HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 0);
    server.createContext(
        "/ingest",
        exchange -> {
          received.add(exchange.getRequestURI().getQuery());
          counted.add(samples(exchange.getRequestHeaders().getFirst("Content-Type"), exchange.getRequestBody().readAllBytes()));
          exchange.sendResponseHeaders(200, -1);
          exchange.close();
        });
    server.start();
    try {
      String address = "http://127.0.0.1:" + server.getAddress().getPort();
      PyroscopeDriver driver = new PyroscopeDriver(new Config.Builder().setServerAddress(address).build());
      driver.identify(Map.of("service.name", "checkout", "host.name", "w"), line -> {});
      driver.apply(at(driver, 19, 0, null, 0));
      assertTrue(PyroscopeAgent.isStarted());
      spentS[0] = spentBy(() -> busy(1_000));
      driver.apply(at(driver, 100, 50, null, 10));
      assertEquals(0, driver.achieved().get(Profile.WALL), "cpu runs if neither is asked for");
      spentS[1] = spentBy(() -> busy(1_000));
      driver.apply(at(driver, 19, 50, "boost", 0));
      assertEquals(0, driver.achieved().get(Profile.CPU), "wall stands in its place if it is asked for");
      busy(200);
      driver.apply(at(driver, 0, 0, null, 0));
      busy(100);
      driver.apply(at(driver, 19, 0, null, 0));
      driver.close(Map.of());
    } finally {
      server.stop(0);
    }
    List<String> rates = new ArrayList<>();
    for (String query : received) {
      assertTrue(query.contains("name=checkout") && query.contains("host_name"), query);
      rates.add(query.replaceFirst(".*sampleRate=(\\d+).*", "$1"));
    }
    assertEquals(List.of("19", "100"), rates.subList(0, 2), received.toString());
    assertEquals(4, received.size(), received.toString());
    long[] hz = {19, 100};
    for (int i = 0; i < 2; i++) {
      double expected = spentS[i] * hz[i];
      System.out.printf("pyroscope-java at %d Hz: %d samples of %.1f%n", hz[i], counted.get(i), expected);
      assertTrue(Math.abs(counted.get(i) - expected) <= 0.2 * expected + 3, counted + " of " + expected);
    }
  }

  /** Seconds of CPU of the whole process, which is what itimer counts. */
  private static double spentBy(Runnable work) {
    OperatingSystemMXBean system = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    long before = system.getProcessCpuTime();
    work.run();
    return (system.getProcessCpuTime() - before) / 1e9;
  }

  /** How many samples of cpu or wall the JFR in a pushed form has. */
  private static long samples(String contentType, byte[] body) throws IOException {
    String text = new String(body, StandardCharsets.ISO_8859_1);
    int from = text.indexOf("\r\n\r\n", text.indexOf("name=\"jfr\"")) + 4;
    int until = text.indexOf("\r\n--" + contentType.replaceFirst(".*boundary=", ""), from);
    Path file = Files.createTempFile("pushed", ".jfr");
    try {
      byte[] part = Arrays.copyOfRange(body, from, until);
      boolean zipped = part[0] == 0x1F;
      Files.write(file, zipped ? new GZIPInputStream(new ByteArrayInputStream(part)).readAllBytes() : part);
      return RecordingFile.readAllEvents(file).stream()
          .filter(event -> event.getEventType().getName().equals("jdk.ExecutionSample"))
          .count();
    } finally {
      Files.delete(file);
    }
  }
}
