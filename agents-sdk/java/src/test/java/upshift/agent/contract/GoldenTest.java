package upshift.agent.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

class GoldenTest {
  private static final byte[] SECRET = Text.utf8("a shared secret");

  private static Plan golden(String name) throws Exception {
    return PlanReader.read(Files.golden(name), List.of());
  }

  private static Plan plan(String message) throws RefusedException {
    return PlanReader.read(Text.utf8(message), List.of());
  }

  @Test
  void the_golden_plan_is_read_whole() throws Exception {
    Plan plan = golden("plan.json");
    assertEquals("service/checkout", plan.target);
    assertEquals(1795395815291229L, plan.rev);
    assertEquals(2, plan.leases.size());
    Lease pin = plan.leases.get(1);
    assertEquals(List.of("checkout-1", "checkout-2"), pin.where.get("service.instance.id"));
    assertEquals(0.8044, pin.fractionFrom);
    assertEquals("Zürich is slow", pin.because.get("reason"));
    Plan fleet = golden("fleet.json");
    assertEquals(100, fleet.baseline.environments.get("development"));
    assertEquals(1795395815291229L, fleet.after);
  }

  @Test
  void what_is_absent_means_what_the_tables_say() throws Exception {
    Plan plan = golden("plan-smallest.json");
    assertEquals(-1, plan.after);
    assertNull(plan.baseline);
    for (Lease lease : plan.leases) {
      assertEquals("cpu", lease.profile);
      assertEquals(Map.of(), lease.where);
      assertEquals(1, lease.fraction);
      assertEquals(0, lease.fractionFrom);
    }
  }

  @Test
  void of_a_plan_from_the_future_one_lease_counts_and_four_are_told() throws Exception {
    Plan plan = golden("plan-from-the-future.json");
    assertEquals(1, plan.leases.size());
    assertEquals(4, plan.skipped.size());
    assertEquals("lease 'burst/1': unknown kind 'burst'", plan.skipped.get(0));
  }

  @Test
  void a_signed_plan_is_read_with_one_of_its_secrets_or_with_none() throws Exception {
    byte[] signed = Files.golden("plan-signed.json");
    byte[] another = Text.utf8("another");
    assertEquals(2, PlanReader.read(signed, List.of(another, SECRET)).leases.size());
    assertEquals(2, PlanReader.read(signed, List.of()).leases.size());
    assertThrows(RefusedException.class, () -> PlanReader.read(signed, List.of(another)));
    byte[] text = Text.utf8((String) Json.object(signed).get("plan"));
    String sig = (String) Json.object(signed).get("sig");
    for (int i = 0; i < text.length; i++) {
      byte[] changed = text.clone();
      changed[i] ^= 1;
      assertFalse(PlanReader.sign(changed, SECRET).equals(sig), "byte " + i);
    }
  }

  @TestFactory
  Stream<DynamicTest> every_bad_message_is_refused() throws Exception {
    List<Map<String, Object>> bad = Files.list(Files.json(Files.golden("bad.json")));
    assertTrue(bad.size() > 50);
    return bad.stream()
        .filter(it -> it.containsKey("plan"))
        .map(it -> DynamicTest.dynamicTest((String) it.get("name"), () -> refuse(it)));
  }

  private static void refuse(Map<String, Object> it) {
    List<byte[]> secrets = new ArrayList<>();
    if (it.containsKey("secret")) {
      secrets.add(Text.utf8((String) it.get("secret")));
    }
    byte[] message = Text.utf8((String) it.get("plan"));
    assertThrows(RefusedException.class, () -> PlanReader.read(message, secrets));
  }

  @Test
  void hostile_messages_are_refused_and_not_followed() {
    String deep = "[".repeat(1_000_000);
    for (String bad : new String[] {deep, "{\"a\":" + deep, "{\"a\":\"\\u00e\"}", "{\"a\":-}", "{\"a\":1.}", "{\"a\":.5}", "{\"a\":1e}", "\"\\", "{\"a\":tru}"}) {
      assertThrows(RefusedException.class, () -> plan(bad));
    }
    assertThrows(RefusedException.class, () -> Json.object(new byte[] {'"', (byte) 0xC0, (byte) 0x80, '"'}));
    assertThrows(RefusedException.class, () -> Json.object(new byte[Json.LONGEST + 1]));
  }

  @Test
  void of_a_field_that_comes_twice_the_last_counts() throws Exception {
    assertEquals(8, plan("{\"v\":1,\"target\":\"fleet\",\"rev\":7,\"rev\":8,\"now_ms\":1}").rev);
  }

  @Test
  void the_golden_statuses_are_written() throws Exception {
    Status status = new Status();
    status.instance = "checkout-1";
    status.attributes = new LinkedHashMap<>();
    status.attributes.put("service.name", "checkout");
    status.attributes.put("service.instance.id", "checkout-1");
    status.attributes.put("process.pid", "4711");
    status.attributes.put("upshift.process.start_ticks", "8815432");
    status.attributes.put("upshift.agent.id", "c0ffee0012345678");
    status.driver = "pyroscope";
    status.atMs = 1795395816000L;
    status.state = "applied";
    status.sinceMs = 1795395815900L;
    status.revs = Map.of("service/checkout", 1795395815291229L, "fleet", 1795395815291230L);
    Map<String, String> production = new LinkedHashMap<>(status.attributes);
    production.put("deployment.environment.name", "production");
    Baseline baseline = new Baseline(19, Map.of(), Map.of());
    status.requested =
        Map.of("cpu", Resolution.resolve(List.of(golden("plan.json")), production, baseline, 50, 1795395816000L, "cpu"));
    status.applied = new Status.Applied(status.revs, 1795395815900L, Map.of("cpu", 50L), Map.of("cpu", 49.5));
    status.skipped = List.of("lease 'x/1': unknown kind 'burst'");
    status.maxHz = 50;
    status.sdk = "upshift-agent/0.1.0 python/3.11.7";
    Map<String, Object> expected = Files.map(Files.json(Files.golden("status.json")));
    Map<String, Object> written = Json.object(Text.utf8(status.write()));
    // The golden lease is for a share that this agent is not of, so its pin does not count here either.
    assertEquals(expected, written);

    Status failed = new Status();
    failed.instance = "worker-3";
    failed.attributes = Map.of("host.name", "worker-3");
    failed.driver = "callable";
    failed.atMs = 1795395816000L;
    failed.state = "failed";
    failed.sinceMs = 1795395815900L;
    failed.requested = Map.of("cpu", Resolution.resolve(List.of(), Map.of(), baseline, -1, 0, "cpu"));
    failed.error = "RuntimeError: no permission";
    assertEquals(Files.json(Files.golden("status-failed.json")), Files.json(Text.utf8(failed.write())));
  }

  @Test
  void a_newer_plan_takes_the_place_of_the_held_one_and_keeps_what_redis_lost() throws Exception {
    String boost = "{\"id\":\"a\",\"kind\":\"boost\",\"hz\":100,\"since_ms\":2000,\"expires_at_ms\":9000}";
    String form = "{\"v\":1,\"target\":\"fleet\",\"rev\":%d,\"now_ms\":3000,\"after\":%d,\"leases\":[%s]}";
    Holding first = Holding.take(null, plan(String.format(form, 2_000_000, 0, boost)), -1);
    assertSame(first, Holding.take(first, plan(String.format(form, 2_000_000, 0, "")), -1));
    assertEquals(1, Holding.take(first, plan(String.format(form, 3_000_000, 1_999_999, "")), -1).plan.leases.size());
    assertEquals(0, Holding.take(first, plan(String.format(form, 3_000_000, 2_000_000, "")), -1).plan.leases.size());
    Plan far = plan(String.format(form, Long.MAX_VALUE, 0, ""));
    Holding never = Holding.take(null, far, -1);
    Plan now = plan(String.format(form, 4_000_000, 0, boost));
    assertSame(never, Holding.take(never, now, -1));
    assertEquals(1, Holding.take(never, now, 4_000).plan.leases.size());
    Lease moved = first.bounded(-4_000).plan.leases.get(0);
    assertEquals(-4_000, moved.sinceMs);
    assertEquals(3_000, moved.expiresAtMs);
  }

  @Test
  void a_slow_answer_never_spoils_what_a_quick_one_gave() {
    Clock clock = new Clock(5, 0);
    clock.pushed(1_000_000, 10);
    assertEquals(1_000_000, clock.nowMs(10));
    clock.answered(2_000_000, 100, 102);
    assertEquals(1_999_999, clock.nowMs(100));
    clock.answered(2_000_100, 150, 5_150);
    assertEquals(2_000_099, clock.nowMs(200));
    clock.pushed(7, 300);
    assertEquals(2_000_199, clock.nowMs(300));
    clock.answered(500_000, 400, 402);
    assertEquals(500_000, clock.nowMs(401));
  }

  @Test
  void shares_keys_and_text_are_those_of_the_page() throws Exception {
    String form = "{\"v\":1,\"target\":\"fleet\",\"rev\":1,\"now_ms\":1,\"leases\":[{\"id\":\"%s\",\"kind\":\"cap\",\"hz\":1,\"since_ms\":1800000000000,\"expires_at_ms\":1}]}";
    assertEquals(0.8044147865083487, plan(String.format(form, "canary/1")).leases.get(0).share("pod-a"));
    assertEquals(0.012759453148690536, plan(String.format(form, "canary/1")).leases.get(0).share(""));
    assertEquals(0.488341489991464, plan(String.format(form, "Zürich/1")).leases.get(0).share("c0ffee0012345678"));
    assertEquals("upshift:v1:{service/%7Ea%2B%7Bb%7D}:plan", Target.key("upshift", "service/~a+{b}", "plan"));
    assertEquals("upshift:v1:{node/Z%C3%BCrich}:plan", Target.key("upshift", "node/Zürich", "plan"));
    assertEquals("a b c", Text.clean("a\u2028b\tc", 100));
    assertEquals("\ufffd[2J", Text.clean("\u001b[2J", 100));
    assertEquals("chec…", Text.clean("checkout", 5));
    assertTrue(Text.compare("\ud83d\ude00", "\uffff") > 0, "by code point, not as UTF-16 has it");
    assertFalse(Target.is("fleet/eu") || Target.is("service/") || Target.is("service/a\nb"));
    assertFalse(Target.is("service/" + "é".repeat(125)));
    assertEquals(List.of("service/a", "node/w", "fleet"), Target.followed(Map.of("service.name", "a", "host.name", "w")));
    assertEquals(List.of("fleet"), Target.followed(Map.of("k8s.pod.name", "p", "host.name", "w")));
  }

  @Test
  void a_version_is_one_member_for_all_of_it() {
    assertEquals(
        "{\"deployment.environment.name\":\"staging\",\"k8s.namespace.name\":\"shop\",\"service.name\":\"é</\\\\\\\"\",\"service.version\":\"7\"}",
        Attributes.version(
            Map.of("service.version", "7", "service.name", "é</\\\"", "deployment.environment", "staging", "k8s.namespace.name", "shop")));
    assertNull(Attributes.version(Map.of("service.name", "checkout", "service.version", "two\nlines")));
    assertNull(Attributes.version(Map.of("service.name", "checkout")));
  }

  @Test
  void reasons_are_worded_like_everywhere() throws Exception {
    String form = "{\"v\":1,\"target\":\"fleet\",\"rev\":1,\"now_ms\":1,\"leases\":[{\"id\":\"cap/2\",\"kind\":\"cap\",\"hz\":1,\"since_ms\":0,\"expires_at_ms\":9,\"because\":%s}]}";
    Plan plan = plan(String.format(form, "{\"by\":\"ann\",\"reason\":\"rollback\",\"via\":\"direct\",\"alertname\":0}"));
    Baseline baseline = new Baseline(19, Map.of("staging", 49L), Map.of("wall", 10L));
    assertEquals("cap/2: rollback, by ann, via direct", Resolution.resolve(List.of(plan), Map.of(), baseline, -1, 1, "cpu").reason);
    Map<String, String> staging = Map.of("deployment.environment", "staging");
    assertEquals("baseline (staging)", Resolution.resolve(List.of(), staging, baseline, -1, 1, "cpu").reason);
    assertEquals("baseline (wall)", Resolution.resolve(List.of(), staging, baseline, -1, 1, "wall").reason);
    assertEquals("baseline (off)", Resolution.resolve(List.of(), staging, baseline, -1, 1, "alloc").reason);
  }
}
