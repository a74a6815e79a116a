package upshift.agent.running;

import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** The thread that reads what is pushed, over one connection after the other. */
final class Pushes implements Runnable {
  private static final double SILENT_MS = 10_000;
  private static final double DEAD_MS = 5_000;

  private final Engine engine;
  private final Map<String, String> targets = new HashMap<>();
  private final Follower follower;
  private Wire wire;
  private Throwable lost;
  private boolean ended;
  private double pingedMs;
  private volatile double heardMs;
  private volatile double pushedMs = Double.NEGATIVE_INFINITY;

  Pushes(Engine engine, Map<String, String> channels, Follower follower) {
    this.engine = engine;
    this.follower = follower;
    channels.forEach((target, channel) -> targets.put(channel, target));
  }

  /** Subscribes, and returns once all is confirmed; from then on this thread reads. */
  void follow(Wire wire, List<Object[]> commands, int channels) throws RefusedByRedisException {
    commands.forEach(wire::put);
    wire.flush();
    for (int confirmed = 0; confirmed < channels; ) {
      Object answer = wire.read();
      if (answer instanceof Wire.Refusal) {
        throw new RefusedByRedisException(((Wire.Refusal) answer).says);
      }
      confirmed += Wire.text(((List<?>) answer).get(0)).endsWith("subscribe") ? 1 : 0;
      take(answer);
    }
    wire.timeout((int) ((SILENT_MS + DEAD_MS) * 2)); // the follower is earlier, see check()
    synchronized (this) {
      lost = null;
      heardMs = Steady.nowMs();
      pingedMs = Double.NEGATIVE_INFINITY;
      this.wire = wire;
      notifyAll();
    }
  }

  /** Ends the session if the subscription does not stand; asks whether it does after a silence. */
  synchronized void check() throws RefusedByRedisException {
    double now = Steady.nowMs();
    boolean asked = pingedMs > heardMs;
    if (lost != null) {
      throw new RefusedByRedisException(Log.describe(lost));
    }
    if (asked && now - pingedMs > DEAD_MS) {
      throw new RefusedByRedisException("the subscription was silent");
    }
    if (!asked && now - heardMs > SILENT_MS) {
      pingedMs = now;
      wire.put("PING");
      wire.flush();
    }
  }

  /** Returns whether anything was pushed since a moment. */
  boolean since(double steadyMs) {
    return pushedMs >= steadyMs;
  }

  synchronized void end() {
    ended = true;
    notifyAll();
  }

  @Override
  public void run() {
    try {
      while (true) {
        Wire reading;
        synchronized (this) {
          while ((wire == null || lost != null) && !ended) {
            wait();
          }
          if (ended) {
            return;
          }
          reading = wire;
        }
        try {
          while (true) {
            Object message = reading.read();
            heardMs = Steady.nowMs();
            take(message);
          }
        } catch (Throwable failure) {
          synchronized (this) {
            if (reading == wire) {
              lost = failure;
            }
          }
          follower.ring();
        }
      }
    } catch (InterruptedException told) {
      // nobody has a reason to; the agent goes on by reading
    }
  }

  private void take(Object message) throws RefusedByRedisException {
    if (message instanceof Wire.Refusal) {
      throw new RefusedByRedisException(((Wire.Refusal) message).says);
    }
    if (!(message instanceof List)) {
      return;
    }
    List<?> parts = (List<?>) message;
    String kind = Wire.text(parts.get(0));
    if (kind.equals("sunsubscribe")) {
      throw new RefusedByRedisException("the slot has moved");
    }
    if (kind.endsWith("message") && parts.size() == 3 && parts.get(2) instanceof byte[]) {
      String target = targets.get(Wire.text(parts.get(1)));
      if (target != null) {
        pushedMs = Steady.nowMs();
        if (engine.take(target, (byte[]) parts.get(2), true)) {
          follower.doubt();
        }
        follower.ring();
      }
    }
  }
}
