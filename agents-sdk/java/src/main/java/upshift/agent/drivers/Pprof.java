package upshift.agent.drivers;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.zip.GZIPOutputStream;

/** A profile in pprof's format, built stack by stack. Pure. */
final class Pprof {
  private final Message profile = new Message();
  private final Map<String, Long> strings = new LinkedHashMap<>();
  private final Map<String, Long> functions = new LinkedHashMap<>();
  private final Map<List<Long>, long[]> samples = new LinkedHashMap<>();
  private final int counted;

  /**
   * Begins a profile.
   *
   * @param types type and unit of each value, in turns
   */
  Pprof(String... types) {
    string("");
    counted = types.length / 2;
    for (int i = 0; i < types.length; i += 2) {
      profile.put(1, valueType(types[i], types[i + 1]));
    }
  }

  private Message valueType(String type, String unit) {
    return new Message().put(1, string(type)).put(2, string(unit));
  }

  private long string(String text) {
    return strings.computeIfAbsent(text, is -> (long) strings.size());
  }

  /**
   * Adds a sample.
   *
   * @param stack functions, what runs first
   * @param values one for each type; added to those of the same stack
   */
  void add(List<String> stack, long... values) {
    List<Long> ids = new ArrayList<>();
    stack.forEach(function -> ids.add(functions.computeIfAbsent(function, is -> functions.size() + 1L)));
    long[] sums = samples.computeIfAbsent(ids, is -> new long[counted]);
    for (int i = 0; i < counted; i++) {
      sums[i] += values[i];
    }
  }

  boolean empty() {
    return samples.isEmpty();
  }

  /**
   * Returns the profile.
   *
   * @param from when it begins
   * @param until when it ends
   * @param type of its period
   * @param unit of its period
   * @param period between two samples
   * @return gzipped
   */
  byte[] write(Instant from, Instant until, String type, String unit, long period) {
    samples.forEach(
        (stack, sums) -> {
          Message sample = new Message();
          stack.forEach(location -> sample.put(1, location));
          for (long sum : sums) {
            sample.put(2, sum);
          }
          profile.put(2, sample);
        });
    functions.forEach(
        (name, id) -> {
          profile.put(4, new Message().put(1, id).put(4, new Message().put(1, id)));
          profile.put(5, new Message().put(1, id).put(2, string(name)).put(3, string(name)));
        });
    long fromNs = from.getEpochSecond() * 1_000_000_000 + from.getNano();
    long untilNs = until.getEpochSecond() * 1_000_000_000 + until.getNano();
    profile.put(9, fromNs).put(10, untilNs - fromNs).put(11, valueType(type, unit)).put(12, period);
    strings.keySet().forEach(text -> profile.put(6, text.getBytes(StandardCharsets.UTF_8)));
    ByteArrayOutputStream zipped = new ByteArrayOutputStream();
    try (GZIPOutputStream gzip = new GZIPOutputStream(zipped)) {
      profile.out.writeTo(gzip);
    } catch (IOException impossible) {
      throw new IllegalStateException(impossible); // memory takes all
    }
    return zipped.toByteArray();
  }

  /** A protobuf message. */
  private static final class Message {
    final ByteArrayOutputStream out = new ByteArrayOutputStream();

    Message put(int field, long number) {
      varint(field << 3);
      varint(number);
      return this;
    }

    Message put(int field, byte[] bytes) {
      varint(field << 3 | 2);
      varint(bytes.length);
      out.write(bytes, 0, bytes.length);
      return this;
    }

    Message put(int field, Message of) {
      return put(field, of.out.toByteArray());
    }

    private void varint(long number) {
      long left = number;
      while ((left & ~0x7FL) != 0) {
        out.write((int) (left & 0x7F | 0x80));
        left >>>= 7;
      }
      out.write((int) left);
    }
  }
}
