package upshift.agent.running;

import java.io.Closeable;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.SSLSocketFactory;
import redis.clients.jedis.ClientSetInfoConfig;
import redis.clients.jedis.Connection;
import redis.clients.jedis.DefaultJedisClientConfig;
import redis.clients.jedis.JedisSocketFactory;
import redis.clients.jedis.exceptions.JedisConnectionException;
import redis.clients.jedis.exceptions.JedisDataException;
import upshift.agent.contract.Text;

/** One connection to Redis. Written by one thread at a time, read by one; closed by any. */
final class Wire implements Closeable {
  /** What the server says instead of an answer. */
  static final class Refusal {
    final String says;

    Refusal(String says) {
      this.says = says == null ? "" : says;
    }

    boolean is(String... words) {
      for (String word : words) {
        if (says.startsWith(word)) {
          return true;
        }
      }
      return false;
    }
  }

  private static final class Open extends Connection {
    Open(JedisSocketFactory sockets, DefaultJedisClientConfig config) {
      super(sockets, config);
    }

    @Override
    public void flush() {
      super.flush();
    }
  }

  private final Open open;
  private volatile Socket socket;

  /** Connects and logs in, within `ms` each. */
  Wire(RedisUrl url, RedisUrl.At at, boolean login, boolean select, int ms) {
    DefaultJedisClientConfig.Builder config =
        DefaultJedisClientConfig.builder()
            .connectionTimeoutMillis(ms)
            .socketTimeoutMillis(ms)
            .database(select ? url.database : 0)
            .clientSetInfoConfig(ClientSetInfoConfig.DISABLED);
    if (login && !url.password.isEmpty()) {
      config.user(url.user.isEmpty() ? null : url.user).password(url.password);
    }
    boolean made = false;
    try {
      open = new Open(() -> socket = connected(url, at, ms), config.build());
      made = true;
    } finally {
      if (!made) {
        close();
      }
    }
  }

  private static Socket connected(RedisUrl url, RedisUrl.At at, int ms) {
    Socket socket = null;
    try {
      if (url.kind == RedisUrl.Kind.UNIX) {
        socket = new UnixSocket(url.name);
        socket.setSoTimeout(ms);
        return socket;
      }
      IOException last = null;
      for (InetAddress address : InetAddress.getAllByName(at.host)) {
        try {
          socket = new Socket();
          socket.setTcpNoDelay(true);
          socket.setKeepAlive(true);
          socket.connect(new InetSocketAddress(address, at.port), ms);
          socket.setSoTimeout(ms);
          return url.tls ? secured(socket, at, url.authorities) : socket;
        } catch (IOException refused) {
          last = refused;
          socket.close();
        }
      }
      throw last;
    } catch (IOException failed) {
      throw new JedisConnectionException(Log.describe(failed), failed);
    }
  }

  private static Socket secured(Socket plain, RedisUrl.At at, SSLSocketFactory authorities) throws IOException {
    SSLSocketFactory factory = authorities != null ? authorities : (SSLSocketFactory) SSLSocketFactory.getDefault();
    SSLSocket socket = (SSLSocket) factory.createSocket(plain, at.host, at.port, true);
    SSLParameters parameters = socket.getSSLParameters();
    parameters.setEndpointIdentificationAlgorithm("HTTPS"); // the host's name is checked
    socket.setSSLParameters(parameters);
    socket.startHandshake();
    return socket;
  }

  /** Puts a command into the buffer: text, numbers, bytes. */
  void put(Object... command) {
    byte[][] arguments = new byte[command.length - 1][];
    for (int i = 1; i < command.length; i++) {
      arguments[i - 1] = command[i] instanceof byte[] ? (byte[]) command[i] : Text.utf8(command[i].toString());
    }
    byte[] name = Text.utf8(command[0].toString());
    open.sendCommand(() -> name, arguments);
  }

  void flush() {
    open.flush();
  }

  /** Returns the next answer: bytes, a Long, a list, null, or a {@link Refusal}. */
  Object read() {
    try {
      return open.getUnflushedObject();
    } catch (JedisDataException refused) {
      return new Refusal(refused.getMessage());
    }
  }

  /** Sends commands in one pipeline and returns their answers. */
  List<Object> ask(List<Object[]> commands) {
    commands.forEach(this::put);
    flush();
    List<Object> answers = new ArrayList<>();
    for (int i = 0; i < commands.size(); i++) {
      answers.add(read());
    }
    return answers;
  }

  Object ask(Object... command) {
    put(command);
    flush();
    return read();
  }

  void timeout(int ms) {
    open.setSoTimeout(ms);
  }

  static String text(Object answer) {
    return answer instanceof byte[] ? new String((byte[]) answer, StandardCharsets.UTF_8) : String.valueOf(answer);
  }

  @Override
  public void close() {
    try {
      if (socket != null) {
        socket.close();
      }
    } catch (IOException ignored) {
      // it is of no use any more
    }
  }
}
