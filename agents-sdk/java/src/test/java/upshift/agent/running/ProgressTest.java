package upshift.agent.running;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Map;
import org.junit.jupiter.api.Test;

class ProgressTest {
  @Test
  void after_a_failure_the_same_frequency_is_tried_again_after_a_pause_and_another_at_once() {
    Progress is = new Progress();
    is.want(Map.of("cpu", 100L), Map.of(), 0);
    for (int pause : new int[] {1000, 2000, 4000, 8000, 16000, 30000, 30000}) {
      is.begin(0);
      is.fail("no", 0);
      assertEquals(pause, is.due());
      assertEquals("failed", is.state(0));
    }
    is.want(Map.of("cpu", 19L), Map.of(), 0);
    assertEquals(0, is.due());
    assertEquals("applying", is.state(0));
    is.begin(0);
    assertEquals("applying", is.state(4000));
    assertEquals("driver has not returned for 4 s", is.error(4000));
    is.succeed(5);
    assertEquals("applied", is.state(0));
    is.want(Map.of("cpu", 19L), Map.of("fleet", 7L), 9);
    assertEquals("applied", is.state(0), "newer plans that ask for the same count as applied at once");
    assertEquals(Map.of("fleet", 7L), is.confirmedRevs());
  }

  @Test
  void what_does_not_hold_any_more_is_applied_anew() {
    Progress is = new Progress();
    is.want(Map.of("cpu", 19L), Map.of(), 0);
    is.begin(0);
    is.succeed(0);
    is.fail("somebody ended it", 50);
    assertEquals("failed", is.state(60));
    assertEquals(1050, is.due());
  }
}
