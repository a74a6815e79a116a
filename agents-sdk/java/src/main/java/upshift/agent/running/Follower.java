package upshift.agent.running;

import java.util.concurrent.ThreadLocalRandom;
import upshift.agent.contract.Status;

/** The thread that keeps a session with Redis: finds the server, reads, reports, begins again. */
final class Follower implements Runnable {
  private static final double REPORT_MS = 15_000;
  private static final double GATHER_MS = 20;
  private static final double APART_MS = 200;
  private static final double VISIT_MS = 300_000;
  private static final double SILENT_MS = 5_000;
  private static final double LASTED_MS = 10_000;

  private final Settings settings;
  private final Engine engine;
  private final Log log;
  private final Servers servers;
  private final Exchange exchange;
  private final Pushes pushes;
  private volatile boolean connected;
  private volatile boolean ended;
  private int failures;
  private boolean outage;
  private boolean rung;
  private double doubtedMs;
  private double changedMs;

  Follower(Settings settings, Engine engine, Log log) {
    this.settings = settings;
    this.engine = engine;
    this.log = log;
    String first = settings.targets.get(0);
    servers = new Servers(settings.redis, upshift.agent.contract.Target.key(settings.namespace, first, "plan"));
    exchange = new Exchange(settings, engine, servers, log);
    pushes = new Pushes(engine, Exchange.channels(settings), this);
  }

  Pushes pushes() {
    return pushes;
  }

  boolean connected() {
    return connected;
  }

  /** There may be something to report. */
  synchronized void ring() {
    rung = true;
    notifyAll();
  }

  /** What is held may be wrong: plans and time are to be read at once. */
  synchronized void doubt() {
    doubtedMs = Steady.nowMs();
    ring();
  }

  void end() {
    ended = true;
    pushes.end();
    ring();
  }

  @Override
  public void run() {
    while (!ended) {
      try {
        session();
      } catch (Throwable failure) {
        pause(APART_MS); // no memory, say
      }
    }
  }

  private void session() {
    Session session = new Session();
    double began = Steady.nowMs();
    Throwable why = null;
    try {
      session.open();
      if (outage) {
        outage = false;
        log.info("following plans from " + settings.redis + " again");
      }
      session.last();
    } catch (Throwable failure) { // nothing that comes from Redis may end an agent
      why = failure;
    }
    connected = false;
    session.close();
    if (ended) {
      return;
    }
    if (!outage) {
      outage = true;
      log.warn(
          "no connection to " + settings.redis + " (" + Log.describe(why) + "); leases held run to their end, "
              + "then the baseline applies; trying again until it is back");
    }
    failures = session.hasRead && Steady.nowMs() - began > LASTED_MS ? 0 : failures + 1;
    double most = failures == 0 ? 100 : Math.min(3_000, 100 * Math.pow(2, Math.min(failures, 6)));
    pause(most * (0.5 + ThreadLocalRandom.current().nextDouble() / 2));
  }

  private synchronized void pause(double ms) {
    double until = Steady.nowMs() + ms;
    try {
      for (double left = ms; left > 0 && !ended; left = until - Steady.nowMs()) {
        wait((long) Math.ceil(left));
      }
    } catch (InterruptedException told) {
      // nobody has a reason to
    }
  }

  /** Waits for news, or until a moment. */
  private synchronized void await(double steadyMs) throws InterruptedException {
    double left = steadyMs - Steady.nowMs();
    if (!rung && left > 0 && !ended) {
      wait((long) Math.ceil(left));
    }
    rung = false;
  }

  private static double about(double ms) {
    return ms * (0.8 + ThreadLocalRandom.current().nextDouble() * 0.4);
  }

  /** One session: two connections, from finding the server to losing it. */
  private final class Session {
    private RedisUrl.At at;
    private Wire data;
    private Wire subscription;
    private boolean hasRead;
    private double readMs;
    private double nextReadMs;
    private double nextVisitMs;
    private double reportedMs = Double.NEGATIVE_INFINITY;
    private Object reported;

    void open() throws RefusedByRedisException {
      at = servers.find();
      data = servers.connect(at);
      subscription = servers.connect(at);
      pushes.follow(subscription, exchange.subscriptions(), settings.targets.size());
      read();
      hasRead = true;
      connected = true;
    }

    private void read() throws RefusedByRedisException {
      readMs = Steady.nowMs();
      boolean refused = exchange.read(data);
      nextReadMs = readMs + about(settings.resyncMs);
      if (readMs >= nextVisitMs) {
        exchange.visit(data, at, engine.status().atMs);
        nextVisitMs = readMs + about(VISIT_MS);
      }
      if (refused && pushes.since(readMs)) {
        doubt();
      }
    }

    void last() throws RefusedByRedisException, InterruptedException {
      while (!ended) {
        pushes.check();
        double now = Steady.nowMs();
        boolean doubted;
        synchronized (Follower.this) {
          doubted = doubtedMs >= readMs;
        }
        double readAt = doubted ? readMs + APART_MS : nextReadMs;
        if (now >= readAt) {
          read();
        }
        report(now);
        // A driver that hangs keeps its thread from deciding, so this one does, in time for each end.
        double look = now + (engine.calling() ? 500 : SILENT_MS);
        await(Math.min(Math.min(readAt, look), Math.min(reportedMs + REPORT_MS, changedMs + GATHER_MS)));
      }
      exchange.leave(data);
    }

    private void report(double now) throws RefusedByRedisException {
      Status status = engine.status();
      Object gist = status.gist();
      if (gist.equals(reported) && now < reportedMs + REPORT_MS) {
        changedMs = Double.POSITIVE_INFINITY;
      } else if (changedMs == Double.POSITIVE_INFINITY && now < reportedMs + REPORT_MS) {
        changedMs = now; // a quick driver's applying and applied are one report
      } else if (now >= changedMs + GATHER_MS || now >= reportedMs + REPORT_MS) {
        exchange.report(data, status);
        reported = gist;
        reportedMs = now;
        changedMs = Double.POSITIVE_INFINITY;
      }
    }

    void close() {
      if (data != null) {
        data.close();
      }
      if (subscription != null) {
        subscription.close();
      }
    }
  }
}
