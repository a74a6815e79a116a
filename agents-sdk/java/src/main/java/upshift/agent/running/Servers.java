package upshift.agent.running;

import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import redis.clients.jedis.exceptions.JedisException;

/** Where the server of an agent's first target is; asked anew for each session. */
final class Servers {
  private static final int ASKED_MS = 2_000;
  private static final int MOST_KNOWN = 50;

  private final RedisUrl url;
  private final String planKey;
  private final Set<RedisUrl.At> pointedTo = new LinkedHashSet<>();

  Servers(RedisUrl url, String planKey) {
    this.url = url;
    this.planKey = planKey;
  }

  /** Connects to it, within 5 s. */
  Wire connect(RedisUrl.At at) {
    return new Wire(url, at, true, true, 5_000);
  }

  RedisUrl.At find() {
    switch (url.kind) {
      case UNIX:
        return new RedisUrl.At("", 0);
      case SENTINEL:
        return primary();
      case CLUSTER:
        return node();
      default:
        return url.hosts.get(0);
    }
  }

  private RedisUrl.At primary() {
    List<RedisUrl.At> sentinels = new ArrayList<>(url.hosts);
    Collections.shuffle(sentinels);
    String why = "none answers";
    for (RedisUrl.At sentinel : sentinels) {
      try {
        Object answer = primary(sentinel, false);
        if (answer instanceof Wire.Refusal && ((Wire.Refusal) answer).is("NOAUTH")) {
          answer = primary(sentinel, true);
        }
        if (answer instanceof List && ((List<?>) answer).size() == 2) {
          List<?> at = (List<?>) answer;
          return new RedisUrl.At(Wire.text(at.get(0)), Integer.parseInt(Wire.text(at.get(1))));
        }
        why = answer instanceof Wire.Refusal ? ((Wire.Refusal) answer).says : "it knows none of that name";
      } catch (JedisException | NumberFormatException failed) {
        why = Log.describe(failed);
      }
    }
    throw new JedisException("no sentinel knows the primary: " + why);
  }

  private Object primary(RedisUrl.At sentinel, boolean login) {
    try (Wire wire = new Wire(url, sentinel, login, false, ASKED_MS)) {
      return wire.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", url.name);
    }
  }

  private RedisUrl.At node() {
    List<RedisUrl.At> nodes = new ArrayList<>(url.hosts);
    synchronized (pointedTo) {
      pointedTo.stream().filter(at -> !nodes.contains(at)).forEach(nodes::add);
    }
    Collections.shuffle(nodes);
    String why = "none answers";
    for (RedisUrl.At first : nodes) {
      RedisUrl.At at = first;
      try {
        for (int hops = 0; hops <= 5; hops++) {
          Object answer;
          try (Wire wire = new Wire(url, at, true, false, ASKED_MS)) {
            answer = wire.ask("GET", planKey);
          }
          RedisUrl.At next = moved(answer, at);
          if (next == null) {
            if (answer instanceof Wire.Refusal && ((Wire.Refusal) answer).is("CLUSTERDOWN", "LOADING", "MASTERDOWN")) {
              why = ((Wire.Refusal) answer).says;
              break;
            }
            return at;
          }
          at = next;
        }
      } catch (JedisException failed) {
        why = Log.describe(failed);
      }
    }
    throw new JedisException("no node of the cluster leads to the plan: " + why);
  }

  /** Returns where a MOVED points to, or null if the answer is none. */
  RedisUrl.At moved(Object answer, RedisUrl.At asked) {
    if (!(answer instanceof Wire.Refusal) || !((Wire.Refusal) answer).is("MOVED ")) {
      return null;
    }
    try {
      String[] words = ((Wire.Refusal) answer).says.split(" ");
      int colon = words[2].lastIndexOf(':');
      String host = words[2].substring(0, colon);
      RedisUrl.At at = new RedisUrl.At(host.isEmpty() ? asked.host : host, Integer.parseInt(words[2].substring(colon + 1)));
      synchronized (pointedTo) {
        if (pointedTo.size() < MOST_KNOWN) {
          pointedTo.add(at);
        }
      }
      return at;
    } catch (RuntimeException garbled) {
      return null;
    }
  }
}
