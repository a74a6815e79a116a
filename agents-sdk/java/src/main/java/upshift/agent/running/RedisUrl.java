package upshift.agent.running;

import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import javax.net.ssl.SSLSocketFactory;
import upshift.agent.contract.Text;

/** Where Redis is: one server, sentinels or nodes of a cluster, a socket's path. */
public final class RedisUrl {
  /** How the server is found. */
  enum Kind {
    SINGLE,
    UNIX,
    SENTINEL,
    CLUSTER
  }

  /** A host and its port. */
  static final class At {
    final String host;
    final int port;

    At(String host, int port) {
      this.host = host;
      this.port = port;
    }

    /** Reads HOST:PORT, or [V6]:PORT. */
    static At of(String text, int normal) {
      int colon = text.lastIndexOf(':');
      if (colon < 0 || colon < text.lastIndexOf(']')) {
        return new At(bare(text), normal);
      }
      String port = text.substring(colon + 1);
      if (!port.matches("\\d{1,5}") || Integer.parseInt(port) < 1 || Integer.parseInt(port) > 65535) {
        throw new IllegalArgumentException("a port is a number from 1 to 65535, not '" + port + "'");
      }
      return new At(bare(text.substring(0, colon)), Integer.parseInt(port));
    }

    private static String bare(String host) {
      return host.startsWith("[") && host.endsWith("]") ? host.substring(1, host.length() - 1) : host;
    }

    @Override
    public boolean equals(Object other) {
      return other instanceof At && ((At) other).host.equals(host) && ((At) other).port == port;
    }

    @Override
    public int hashCode() {
      return host.hashCode() * 31 + port;
    }

    @Override
    public String toString() {
      return (host.contains(":") ? "[" + host + "]" : host) + ":" + port;
    }
  }

  final Kind kind;
  final boolean tls;
  final String user;
  final String password;
  final List<At> hosts = new ArrayList<>();
  final int database;

  /** Whom TLS trusts; null: whom the JVM does. */
  final SSLSocketFactory authorities;

  /** The primary's name, or the socket's path. */
  final String name;

  private final String shown;

  /**
   * Reads a URL.
   *
   * @param url the controller's
   * @throws IllegalArgumentException what is wrong with it, without its password
   */
  public RedisUrl(String url) {
    int scheme = url.indexOf("://");
    String begins = scheme < 0 ? "" : url.substring(0, scheme);
    String rest = url.substring(scheme < 0 ? 0 : scheme + 3);
    tls = begins.startsWith("rediss");
    switch (begins) {
      case "redis":
      case "rediss":
        kind = Kind.SINGLE;
        break;
      case "unix":
        kind = Kind.UNIX;
        break;
      case "redis+sentinel":
      case "rediss+sentinel":
        kind = Kind.SENTINEL;
        break;
      case "redis+cluster":
      case "rediss+cluster":
        kind = Kind.CLUSTER;
        break;
      default:
        throw new IllegalArgumentException(
            "a Redis URL begins with redis://, rediss://, unix://, redis+sentinel:// or redis+cluster://");
    }
    int query = rest.indexOf('?');
    String asked = query < 0 ? "" : rest.substring(query + 1);
    rest = query < 0 ? rest : rest.substring(0, query);
    int slash = rest.indexOf('/');
    String authority = slash < 0 ? rest : rest.substring(0, slash);
    String path = slash < 0 ? "" : rest.substring(slash);
    int at = authority.lastIndexOf('@');
    String login = at < 0 ? "" : authority.substring(0, at);
    int colon = login.indexOf(':');
    user = decoded(colon < 0 ? login : login.substring(0, colon));
    password = decoded(colon < 0 ? "" : login.substring(colon + 1));
    authority = authority.substring(at + 1);
    String number = "";
    String trusted = null;
    for (String pair : asked.isEmpty() ? new String[0] : asked.split("&")) {
      String value = decoded(pair.substring(pair.indexOf('=') + 1));
      if (pair.startsWith("db=")) {
        number = value;
      } else if (pair.startsWith("ssl_ca_certs=") && tls) {
        trusted = value;
      } else {
        String option = pair.contains("=") ? pair.substring(0, pair.indexOf('=')) : pair;
        throw new IllegalArgumentException(
            "a Redis URL takes ?db= and, with TLS, ?ssl_ca_certs= here, not '" + Text.clean(option, 40) + "'");
      }
    }
    authorities = trusted == null ? null : Authorities.of(trusted);
    String called = "";
    if (kind == Kind.UNIX) {
      called = decoded(path);
    } else {
      for (String host : authority.split(",", -1)) {
        hosts.add(At.of(host.isEmpty() ? "localhost" : host, kind == Kind.SENTINEL ? 26379 : 6379));
      }
      String[] parts = path.replaceFirst("^/", "").split("/", 2);
      if (kind == Kind.SENTINEL) {
        called = decoded(parts[0]);
        if (called.isEmpty()) {
          throw new IllegalArgumentException("the primary's name is missing: redis+sentinel://HOST,HOST/NAME");
        }
        parts = parts.length > 1 ? new String[] {parts[1]} : new String[] {""};
      }
      number = number.isEmpty() ? parts[0] : number;
    }
    if (!number.matches("\\d{0,9}")) {
      throw new IllegalArgumentException("a Redis database is a number, not '" + number + "'");
    }
    database = number.isEmpty() || kind == Kind.CLUSTER ? 0 : Integer.parseInt(number);
    name = called;
    shown = begins + "://" + (kind == Kind.UNIX ? name : authority + path);
  }

  private static String decoded(String text) {
    try {
      return URLDecoder.decode(text.replace("+", "%2B"), StandardCharsets.UTF_8);
    } catch (IllegalArgumentException broken) {
      return text;
    }
  }

  /** Returns the URL without user and password. */
  @Override
  public String toString() {
    return shown;
  }
}
