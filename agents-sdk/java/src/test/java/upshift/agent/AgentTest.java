package upshift.agent;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static upshift.agent.Valkey.eventually;

import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;
import redis.clients.jedis.Jedis;
import upshift.agent.driver.Decision;
import upshift.agent.driver.Driver;
import upshift.agent.driver.Profile;

class AgentTest {
  private static final String NOWHERE = "redis://127.0.0.1:1";
  private static final String HOME = "upshift:v1:{service/checkout}:";

  /** Notes what it is told. */
  private static class Calls implements Driver {
    final List<Long> hz = new CopyOnWriteArrayList<>();

    @Override
    public String name() {
      return "calls";
    }

    @Override
    public void apply(Map<Profile, Decision> decisions) throws Exception {
      hz.add(decisions.get(Profile.CPU).hz());
    }

    long last() {
      return hz.isEmpty() ? -1 : hz.get(hz.size() - 1);
    }
  }

  private static Config config(String url, Driver driver) {
    return new Config(Map.of()).redisUrl(url).service("checkout").driver(driver).log((level, line) -> {});
  }

  private static String plan(long revMs, String leases) {
    return "{\"v\":1,\"target\":\"service/checkout\",\"rev\":" + revMs * 1000 + ",\"now_ms\":" + revMs + ",\"leases\":[" + leases + "]}";
  }

  private static String boost(long now, long forMs) {
    return "{\"id\":\"b/1\",\"kind\":\"boost\",\"hz\":100,\"since_ms\":" + now + ",\"expires_at_ms\":" + (now + forMs) + "}";
  }

  private static long now(Jedis client) {
    List<String> time = client.time();
    return Long.parseLong(time.get(0)) * 1000 + Long.parseLong(time.get(1)) / 1000;
  }

  @Test
  void without_redis_the_profiler_runs_at_its_baseline() {
    Calls driver = new Calls();
    try (Agent agent = Upshift.start(config(NOWHERE, driver).baselineHz(30).maxHz(25))) {
      eventually("25 Hz", () -> driver.last() == 25);
      assertTrue(agent.decisions().get(Profile.CPU).reason().contains("asked for 30 Hz"));
    }
  }

  @Test
  void a_driver_that_throws_is_tried_again_and_told() {
    Calls driver =
        new Calls() {
          @Override
          public void apply(Map<Profile, Decision> decisions) throws Exception {
            super.apply(decisions);
            throw new NoClassDefFoundError("no permission");
          }
        };
    try (Agent agent = Upshift.start(config(NOWHERE, driver))) {
      eventually("a second try", () -> driver.hz.size() > 1);
      assertTrue(agent.status().contains("NoClassDefFoundError: no permission"));
    }
  }

  @Test
  void a_driver_that_hangs_is_told_and_delays_nobody() {
    CountDownLatch done = new CountDownLatch(1);
    Calls driver =
        new Calls() {
          @Override
          public void apply(Map<Profile, Decision> decisions) throws Exception {
            done.await();
          }
        };
    try (Agent agent = Upshift.start(config(NOWHERE, driver))) {
      eventually("it is told", () -> agent.status().contains("driver has not returned for 4 s"));
      done.countDown();
      eventually("it has returned", () -> agent.status().contains("\"state\":\"applied\""));
    }
  }

  @Test
  void wrong_settings_are_one_sentence() {
    Driver driver = new Calls();
    Map<String, Config> wrong =
        Map.of(
            "UPSHIFT_REDIS_URL or", new Config(Map.of()).service("x").driver(driver),
            "primary's name", config("redis+sentinel://a", driver),
            "a port is a number", config("redis://a:x", driver),
            "the maximum is a whole", config(NOWHERE, driver).maxHz(1001),
            "UPSHIFT_BASELINE_HZ is a whole", new Config(Map.of("UPSHIFT_BASELINE_HZ", "-1")).redisUrl(NOWHERE),
            "on one line", config(NOWHERE, driver).service("two\nlines"),
            "a namespace is", config(NOWHERE, driver).namespace("{}"),
            "an empty secret", config(NOWHERE, driver).secret(""),
            "bytes, names and values", config(NOWHERE, driver).attribute("a", "x".repeat(40_000)),
            "no driver is named 'x'", new Config(Map.of("UPSHIFT_DRIVER", "x")).redisUrl(NOWHERE).service("x"));
    assertRefused("?ssl_ca_certs= here, not 'x'", config("rediss://:secret@a?x=1", driver));
    assertRefused("no certificates", config("rediss://a?ssl_ca_certs=/dev/null", driver));
    wrong.forEach(AgentTest::assertRefused);
  }

  private static void assertRefused(String says, Config config) {
    String message = assertThrows(ConfigurationException.class, config::check).getMessage();
    assertTrue(message.contains(says), message);
  }

  @Test
  void the_environment_says_who_an_agent_is() {
    Map<String, String> environment =
        Map.of(
            "OTEL_RESOURCE_ATTRIBUTES", "service.name=other, deployment.environment=a%2Cb ,service.version=7,broken",
            "OTEL_SERVICE_NAME", "checkout",
            "KUBERNETES_SERVICE_HOST", "x",
            "POD_NAMESPACE", "shop",
            "UPSHIFT_REDIS_URL", NOWHERE);
    Map<String, String> is = new Config(environment).check().attributes;
    assertEquals("checkout", is.get("service.name"));
    assertEquals("a,b", is.get("deployment.environment.name"));
    assertEquals("7", is.get("service.version"));
    assertEquals("shop", is.get("k8s.namespace.name"));
    assertEquals(is.get("host.name"), is.get("k8s.pod.name"));
    assertEquals(16, is.get("upshift.agent.id").length());
    assertTrue(is.get("upshift.process.start_ticks").matches("\\d+"));
  }

  @Test
  void a_pushed_boost_is_applied_reported_and_ends_by_itself() throws Exception {
    try (Valkey server = new Valkey();
        Jedis client = server.client()) {
      for (String url : new String[] {"redis://127.0.0.1:" + server.port, "unix://" + server.socket()}) {
        Calls driver = new Calls();
        Agent agent = Upshift.start(config(url, driver));
        eventually("a session", agent::connected);
        long now = now(client);
        assertEquals(1, client.publish(HOME + "changes", plan(now, boost(now, 1500))));
        eventually("100 Hz", () -> driver.last() == 100);
        eventually("its report", () -> report(client).contains("\"state\":\"applied\"") && report(client).contains("b/1"));
        client.publish(HOME + "changes", "garbage");
        eventually("the refusal in the status", () -> agent.status().contains("not JSON"));
        eventually("19 Hz", () -> driver.last() == 19);
        assertTrue(agent.stop(java.time.Duration.ofSeconds(10)));
        assertEquals(0, client.hlen(HOME + "agents"), "its status is deleted");
      }
    }
  }

  private static String report(Jedis client) {
    return String.join("", client.hvals(HOME + "agents"));
  }

  @Test
  void a_lease_ends_with_the_server_dead_and_the_agent_finds_it_again() throws Exception {
    Calls driver = new Calls();
    Agent agent;
    try (Valkey server = new Valkey();
        Jedis client = server.client()) {
      long now = now(client);
      client.set(HOME + "plan", plan(now, boost(now, 3_000)));
      agent = Upshift.start(config("redis://127.0.0.1:" + server.port, driver));
      eventually("100 Hz", () -> driver.last() == 100);
    }
    eventually("19 Hz", () -> driver.last() == 19);
    assertTrue(!agent.connected());
    agent.close();
  }

  @Test
  void an_agent_has_three_threads_and_leaves_none() throws Exception {
    try (Valkey server = new Valkey()) {
      Agent agent = Upshift.start(config("redis://127.0.0.1:" + server.port, new Calls()));
      eventually("a session", agent::connected);
      eventually("three", () -> threads() == 3);
      agent.close();
      eventually("none", () -> threads() == 0);
    }
  }

  private static long threads() {
    return Thread.getAllStackTraces().keySet().stream()
        .filter(thread -> thread.getName().startsWith("upshift-"))
        .peek(thread -> assertTrue(thread.isDaemon()))
        .count();
  }
}
