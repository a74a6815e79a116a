package upshift.agent.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

class VectorsTest {
  @TestFactory
  Stream<DynamicTest> every_case_of_the_vectors_is_decided_alike() throws Exception {
    byte[] vectors = java.nio.file.Files.readAllBytes(Files.CONTRACT.resolve("vectors.json"));
    List<Map<String, Object>> cases = Files.list(Json.object(vectors).get("cases"));
    assertTrue(cases.size() > 150, "vectors.json has lost its cases");
    return cases.stream().map(it -> DynamicTest.dynamicTest((String) it.get("name"), () -> decide(it)));
  }

  private static void decide(Map<String, Object> it) throws Exception {
    List<Plan> plans = new ArrayList<>();
    for (Map<String, Object> plan : Files.list(it.get("plans"))) {
      plans.add(PlanReader.read(Text.utf8(JsonWriter.write(plan)), List.of()));
    }
    assertEquals(it.get("expect"), answer(it, plans));
    List<Plan> reversed = new ArrayList<>();
    for (Plan plan : plans) {
      List<Lease> leases = new ArrayList<>(plan.leases);
      Collections.reverse(leases);
      reversed.add(0, plan.with(leases));
    }
    assertEquals(it.get("expect"), answer(it, reversed), "in reverse order");
  }

  private static Map<String, Object> answer(Map<String, Object> it, List<Plan> plans) {
    Map<String, String> attributes = new LinkedHashMap<>();
    Files.map(it.get("attributes")).forEach((name, value) -> attributes.put(name, (String) value));
    Map<String, Object> own = Files.map(it.get("baseline"));
    Baseline baseline = new Baseline((Long) own.get("default"), longs(own.get("environments")), longs(own.get("profiles")));
    Object max = it.get("local_max");
    String profile = (String) it.getOrDefault("profile", "cpu");
    Resolution is =
        Resolution.resolve(plans, attributes, baseline, max == null ? -1 : (Long) max, (Long) it.get("now_ms"), profile);
    Map<String, Object> answer = new LinkedHashMap<>();
    answer.put("hz", is.hz);
    answer.put("lease", is.lease == null ? null : is.lease.id);
    answer.put("until_ms", is.untilMs < 0 ? null : is.untilMs);
    answer.put("clamped_from", is.clampedFrom < 0 ? null : is.clampedFrom);
    return answer;
  }

  private static Map<String, Long> longs(Object value) {
    Map<String, Long> longs = new LinkedHashMap<>();
    if (value != null) {
      Files.map(value).forEach((name, number) -> longs.put(name, (Long) number));
    }
    return longs;
  }
}
