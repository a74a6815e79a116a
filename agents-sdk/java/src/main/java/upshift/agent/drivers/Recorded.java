package upshift.agent.drivers;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordedFrame;
import jdk.jfr.consumer.RecordedMethod;
import jdk.jfr.consumer.RecordingFile;
import upshift.agent.driver.Profile;

/** What a JFR file holds of one window, as pprof. */
final class Recorded {
  private static final String NOT_WALKED = "(stack not walked)";

  private final Instant from;
  private final Instant until;
  private final Pprof cpu = new Pprof("samples", "count", "cpu", "nanoseconds");
  private final Pprof alloc = new Pprof("alloc_space", "bytes");
  private final String event;
  private final long periodNs;

  /**
   * Begins.
   *
   * @param from only events from then on count
   * @param until and those before
   * @param event whose samples are {@code cpu}'s
   * @param periodNs theirs
   */
  Recorded(Instant from, Instant until, String event, long periodNs) {
    this.from = from;
    this.until = until;
    this.event = event;
    this.periodNs = periodNs;
  }

  void read(Path file) throws IOException {
    try (RecordingFile recording = new RecordingFile(file)) {
      while (recording.hasMoreEvents()) {
        RecordedEvent one = recording.readEvent();
        Instant at = one.getStartTime();
        if (at.isBefore(from) || !at.isBefore(until)) {
          continue; // a chunk may begin earlier and end later
        }
        String type = one.getEventType().getName();
        if (type.equals(event)) {
          cpu.add(stack(one), 1, periodNs);
        } else if (type.equals(JfrDriver.ALLOC)) {
          alloc.add(stack(one), one.getLong("weight"));
        }
      }
    }
  }

  void windows(Consumer<Window> sink) {
    if (periodNs > 0) {
      sink.accept(new Window(Profile.CPU, from, until, cpu.write(from, until, "cpu", "nanoseconds", periodNs)));
    }
    if (!alloc.empty()) {
      sink.accept(new Window(Profile.ALLOC, from, until, alloc.write(from, until, "space", "bytes", 1)));
    }
  }

  private static List<String> stack(RecordedEvent event) {
    List<String> stack = new ArrayList<>();
    if (event.getStackTrace() != null) {
      for (RecordedFrame frame : event.getStackTrace().getFrames()) {
        RecordedMethod method = frame.getMethod();
        if (method != null && method.getType() != null) {
          stack.add(method.getType().getName() + "." + method.getName());
        }
      }
    }
    return stack.isEmpty() ? List.of(NOT_WALKED) : stack;
  }
}
