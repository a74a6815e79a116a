package upshift.agent.running;

import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import upshift.agent.contract.Clock;
import upshift.agent.contract.Holding;
import upshift.agent.contract.Plan;
import upshift.agent.contract.PlanReader;
import upshift.agent.contract.RefusedException;
import upshift.agent.contract.Resolution;
import upshift.agent.contract.Status;
import upshift.agent.contract.Text;
import upshift.agent.driver.Decision;
import upshift.agent.driver.Profile;

/** What one agent holds, wants and says; its lock is held for moments only. */
final class Engine {
  private static final double FROM_NOW_MS = 5_000;
  private static final double STALE_MS = 30_000;

  private final Settings settings;
  private final Log log;
  private final Clock clock = new Clock(System.currentTimeMillis(), Steady.nowMs());
  private final Map<String, Holding> held = new LinkedHashMap<>();
  private final Map<String, String> refusals = new LinkedHashMap<>();
  private final Progress progress = new Progress();
  private Map<Profile, Resolution> wanted = new EnumMap<>(Profile.class);
  private Map<Profile, Double> achieved = Map.of();
  private volatile Map<Profile, Decision> decided = Map.of();
  private String state = "applying";
  private long sinceMs;
  private long changesAtMs;

  Engine(Settings settings, Log log) {
    this.settings = settings;
    this.log = log;
    look();
    sinceMs = clock.nowMs(Steady.nowMs());
  }

  /**
   * Takes a message of a target.
   *
   * @return whether what is held is in doubt: the message was refused, or does not fit the clock
   */
  boolean take(String target, byte[] message, boolean pushed) {
    try {
      return take(target, PlanReader.read(message, settings.secrets), pushed); // read without the lock
    } catch (RefusedException refused) {
      refuse(target, refused);
      return true;
    }
  }

  private synchronized void refuse(String target, RefusedException refused) {
    refusals.put(target, Text.clean("plan of " + target + ": " + refused.getMessage(), 500));
    log.once("skipped a plan of " + target + ": " + refused.getMessage());
  }

  private synchronized boolean take(String target, Plan plan, boolean pushed) throws RefusedException {
    double steady = Steady.nowMs();
    boolean asRead = !pushed || !clock.synchronised();
    long off = Math.abs(plan.nowMs - clock.nowMs(steady));
    if (!plan.target.equals(target)) {
      throw new RefusedException("it is of '" + plan.target + "'");
    }
    if (!asRead && !settings.secrets.isEmpty() && off > STALE_MS) {
      throw new RefusedException("it is " + off + " ms from now: stale, or a replay");
    }
    refusals.remove(target);
    Holding before = held.get(target);
    Holding after = Holding.take(before, plan, clock.synchronised() ? clock.nowMs(steady) : -1);
    if (after == before) {
      return false;
    }
    held.put(target, after);
    if (pushed) {
      clock.pushed(plan.nowMs, steady);
    }
    look();
    return !asRead && off > FROM_NOW_MS;
  }

  /** Takes an answer to TIME, after the plans that were read with it. */
  synchronized void answered(double redisMs, double sentMs, double receivedMs) {
    clock.answered(redisMs, sentMs, receivedMs);
    long now = clock.nowMs(Steady.nowMs());
    held.replaceAll((target, holding) -> holding.bounded(now));
    look();
  }

  /** Decides anew; wakes the driver's thread if that makes work for it. */
  synchronized void look() {
    double steady = Steady.nowMs();
    long now = clock.nowMs(steady);
    Map<Profile, Resolution> before = wanted;
    wanted = resolve(plans(), now);
    changesAtMs = Long.MAX_VALUE;
    wanted.values().forEach(is -> changesAtMs = is.untilMs < 0 ? changesAtMs : Math.min(changesAtMs, is.untilMs));
    wanted.forEach(
        (profile, is) -> {
          Resolution was = before.get(profile);
          boolean moved = was == null ? is.hz > 0 : was.hz != is.hz || !was.reason.equals(is.reason);
          if (moved) {
            log.info(profile.shown(is.hz) + ": " + is.reason);
          }
        });
    Map<String, Long> hz = new LinkedHashMap<>();
    wanted.forEach((profile, is) -> hz.put(profile.key(), is.hz));
    progress.want(hz, revs(), now);
    decided = Collections.unmodifiableMap(decisions(wanted));
    String is = progress.state(steady);
    if (!is.equals(state)) {
      state = is;
      sinceMs = now;
    }
    if (progress.due() <= steady) {
      notifyAll();
    }
  }

  private Map<Profile, Resolution> resolve(Collection<Plan> plans, long now) {
    Map<Profile, Resolution> resolved = new EnumMap<>(Profile.class);
    for (Profile profile : settings.profiles) {
      resolved.put(
          profile,
          Resolution.resolve(plans, settings.attributes, settings.baseline, settings.maxHz, now, profile.key()));
    }
    return resolved;
  }

  private List<Plan> plans() {
    List<Plan> plans = new ArrayList<>();
    held.values().forEach(holding -> plans.add(holding.plan));
    return plans;
  }

  private Map<String, Long> revs() {
    Map<String, Long> revs = new LinkedHashMap<>();
    held.forEach((target, holding) -> revs.put(target, holding.plan.rev));
    return revs;
  }

  /** Returns what the driver is to be called with now, or null; the call has then begun. */
  synchronized Map<Profile, Decision> next() {
    if (clock.nowMs(Steady.nowMs()) >= changesAtMs) {
      look();
    }
    if (progress.due() > Steady.nowMs()) {
      return null;
    }
    Map<Profile, Decision> decisions = decisions(wanted);
    progress.begin(Steady.nowMs());
    return decisions;
  }

  /** Returns whether the driver has been called and has not returned. */
  synchronized boolean calling() {
    return progress.calling();
  }

  synchronized void wake() {
    notifyAll();
  }

  /** Waits until there may be something to do, for half a second at most. */
  synchronized void nap() throws InterruptedException {
    double steady = Steady.nowMs();
    long now = clock.nowMs(steady);
    double ms = Math.min(500, Math.min(progress.due() - steady, changesAtMs - now));
    wait(Math.max(1, (long) Math.ceil(ms)));
  }

  synchronized void succeeded(Map<Profile, Double> does) {
    achieved = does;
    progress.succeed(clock.nowMs(Steady.nowMs()));
    log.forget("driver failed");
    look();
  }

  synchronized void achieves(Map<Profile, Double> does) {
    achieved = does;
  }

  synchronized void failed(String why) {
    StringBuilder shown = new StringBuilder();
    wanted.forEach((profile, is) -> shown.append(shown.length() > 0 ? ", " : "").append(profile.shown(is.hz)));
    log.once("driver failed to set " + shown + ": " + why);
    progress.fail(why, Steady.nowMs());
    look();
  }

  /** Returns what is wanted now, without waiting for the lock. */
  Map<Profile, Decision> decisions() {
    return decided;
  }

  synchronized Map<Profile, Decision> withoutLeases() {
    List<Plan> baselines = new ArrayList<>();
    plans().forEach(plan -> baselines.add(plan.withoutLeases()));
    return decisions(resolve(baselines, clock.nowMs(Steady.nowMs())));
  }

  private Map<Profile, Decision> decisions(Map<Profile, Resolution> of) {
    Map<Profile, Decision> decisions = new EnumMap<>(Profile.class);
    of.forEach(
        (profile, is) -> {
          Map<String, Long> confirmed = progress.confirmed();
          long previous = confirmed == null ? -1 : confirmed.get(profile.key());
          Instant until = is.untilMs < 0 ? null : Instant.ofEpochMilli(is.untilMs);
          String lease = is.lease == null ? null : is.lease.id;
          String kind = is.lease == null ? null : is.lease.kind;
          decisions.put(profile, new Decision(is.hz, previous, lease, kind, is.reason, until));
        });
    return decisions;
  }

  /** Decides anew first: the driver's thread cannot, while the driver hangs. */
  synchronized Status status() {
    look();
    double steady = Steady.nowMs();
    long now = clock.nowMs(steady);
    Status status = new Status();
    status.instance = settings.attributes.getOrDefault("service.instance.id", "");
    status.attributes = settings.attributes;
    status.driver = settings.driverName;
    status.atMs = now;
    status.state = state;
    status.sinceMs = sinceMs;
    status.revs = revs();
    status.requested = new LinkedHashMap<>();
    wanted.forEach((profile, is) -> status.requested.put(profile.key(), is));
    if (progress.confirmed() != null) {
      Map<String, Double> does = new LinkedHashMap<>();
      achieved.forEach((profile, hz) -> does.put(profile.key(), hz));
      status.applied =
          new Status.Applied(progress.confirmedRevs(), progress.confirmedAtMs(), progress.confirmed(), does);
    }
    status.error = progress.error(steady);
    status.skipped = new ArrayList<>();
    held.values().forEach(holding -> status.skipped.addAll(holding.plan.skipped));
    status.skipped.addAll(refusals.values());
    status.maxHz = settings.maxHz;
    status.sdk = settings.sdk;
    return status;
  }
}
