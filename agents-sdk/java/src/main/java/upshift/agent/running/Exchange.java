package upshift.agent.running;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import redis.clients.jedis.exceptions.JedisException;
import upshift.agent.contract.Attributes;
import upshift.agent.contract.Status;
import upshift.agent.contract.Target;
import upshift.agent.contract.Text;

/** Reading plans and writing reports over one connection, and over others for moments in a cluster. */
final class Exchange {
  private static final String KEPT_S = "86400";

  private final Settings settings;
  private final Engine engine;
  private final Servers servers;
  private final Log log;
  private final String version;
  private final String agentId;

  Exchange(Settings settings, Engine engine, Servers servers, Log log) {
    this.settings = settings;
    this.engine = engine;
    this.servers = servers;
    this.log = log;
    version = Attributes.version(settings.attributes);
    agentId = settings.attributes.get("upshift.agent.id");
  }

  private String key(String target, String what) {
    return Target.key(settings.namespace, target, what);
  }

  private boolean cluster() {
    return settings.redis.kind == RedisUrl.Kind.CLUSTER;
  }

  /** Reads all plans and the time; returns whether a plan was refused. */
  boolean read(Wire wire) throws RefusedByRedisException {
    List<Object[]> commands = new ArrayList<>();
    settings.targets.forEach(target -> commands.add(new Object[] {"GET", key(target, "plan")}));
    commands.add(new Object[] {"TIME"});
    double sent = Steady.nowMs();
    List<Object> answers = wire.ask(commands);
    double received = Steady.nowMs();
    boolean refused = false;
    for (int i = 0; i < settings.targets.size(); i++) {
      refused |= took(settings.targets.get(i), answers.get(i), i == 0);
    }
    Object time = answers.get(answers.size() - 1);
    if (!(time instanceof List)) {
      throw new RefusedByRedisException("no answer to TIME: " + says(time));
    }
    List<?> parts = (List<?>) time;
    double seconds = Double.parseDouble(Wire.text(parts.get(0)));
    engine.answered(seconds * 1000 + Double.parseDouble(Wire.text(parts.get(1))) / 1000, sent, received);
    return refused;
  }

  private boolean took(String target, Object answer, boolean first) throws RefusedByRedisException {
    if (answer instanceof byte[]) {
      return engine.take(target, (byte[]) answer, false);
    }
    if (answer instanceof Wire.Refusal) {
      Wire.Refusal refusal = (Wire.Refusal) answer;
      lookWhoAnswers(refusal, first);
      if (!refusal.is("MOVED", "ASK", "TRYAGAIN")) {
        log.once(settings.redis + " does not give the plan of " + target + ": " + refusal.says);
      }
    }
    return false;
  }

  private static void lookWhoAnswers(Wire.Refusal refusal, boolean first) throws RefusedByRedisException {
    if (refusal.is("READONLY", "CLUSTERDOWN", "LOADING", "MASTERDOWN") || first && refusal.is("MOVED")) {
      throw new RefusedByRedisException(refusal.says);
    }
  }

  /** Writes a report. */
  void report(Wire wire, Status status) throws RefusedByRedisException {
    String home = settings.targets.get(0);
    List<Object[]> commands = new ArrayList<>();
    commands.add(new Object[] {"HSET", key(home, "agents"), agentId, status.write()});
    commands.add(new Object[] {"EXPIRE", key(home, "agents"), KEPT_S});
    if (!cluster()) {
      commands.addAll(seen(status.atMs));
    }
    boolean first = true;
    for (Object answer : wire.ask(commands)) {
      if (answer instanceof Wire.Refusal) {
        lookWhoAnswers((Wire.Refusal) answer, first);
        log.once(settings.redis + " does not take this agent's status: " + says(answer));
      }
      first = false;
    }
  }

  private List<Object[]> seen(long atMs) {
    List<Object[]> commands = new ArrayList<>();
    commands.add(new Object[] {"ZADD", settings.namespace + ":v1:reporting", atMs, settings.targets.get(0)});
    if (version != null) {
      commands.add(new Object[] {"ZADD", settings.namespace + ":v1:versions", atMs, version});
    }
    return commands;
  }

  /** Of a cluster: does what belongs to other servers, each over a connection of its own. */
  void visit(Wire wire, RedisUrl.At here, long atMs) throws RefusedByRedisException {
    if (!cluster()) {
      return;
    }
    List<Object[]> commands = new ArrayList<>();
    List<String> others = settings.targets.subList(1, settings.targets.size());
    others.forEach(target -> commands.add(new Object[] {"GET", key(target, "plan")}));
    commands.addAll(seen(atMs));
    List<Object> answers = wire.ask(commands);
    Map<RedisUrl.At, List<Integer>> elsewhere = new LinkedHashMap<>();
    for (int i = 0; i < answers.size(); i++) {
      RedisUrl.At at = servers.moved(answers.get(i), here);
      if (at != null) {
        elsewhere.computeIfAbsent(at, is -> new ArrayList<>()).add(i);
      }
    }
    for (Map.Entry<RedisUrl.At, List<Integer>> visit : elsewhere.entrySet()) {
      List<Object[]> asked = new ArrayList<>();
      visit.getValue().forEach(i -> asked.add(commands.get(i)));
      try (Wire other = servers.connect(visit.getKey())) {
        List<Object> said = other.ask(asked);
        for (int i = 0; i < said.size(); i++) {
          answers.set(visit.getValue().get(i), said.get(i));
        }
      } catch (JedisException away) {
        log.once("another server of " + settings.redis + " does not answer: " + Log.describe(away));
      }
    }
    for (int i = 0; i < others.size(); i++) {
      took(others.get(i), answers.get(i), false);
    }
  }

  /** The agent ends in good order. */
  void leave(Wire wire) {
    wire.timeout(1_000);
    wire.ask("HDEL", key(settings.targets.get(0), "agents"), agentId);
  }

  List<Object[]> subscriptions() {
    List<Object[]> commands = new ArrayList<>();
    List<Object> classic = new ArrayList<>(List.of("SUBSCRIBE"));
    for (String target : settings.targets) {
      if (cluster() && target.startsWith("service/")) {
        commands.add(new Object[] {"SSUBSCRIBE", key(target, "changes")});
      } else {
        classic.add(key(target, "changes"));
      }
    }
    commands.add(classic.toArray());
    return commands;
  }

  static Map<String, String> channels(Settings settings) {
    Map<String, String> channels = new LinkedHashMap<>();
    settings.targets.forEach(
        target -> channels.put(target, Target.key(settings.namespace, target, "changes")));
    return channels;
  }

  private static String says(Object answer) {
    return Text.clean(answer instanceof Wire.Refusal ? ((Wire.Refusal) answer).says : Wire.text(answer), 200);
  }
}
