package upshift.agent;

import static org.junit.jupiter.api.Assertions.fail;

import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.Assumptions;
import redis.clients.jedis.HostAndPort;
import redis.clients.jedis.Jedis;

/** A real server, whose program UPSHIFT_TEST_VALKEY names. */
final class Valkey implements AutoCloseable {
  final int port;
  private final Process process;
  private final Path folder;

  Valkey() throws Exception {
    String program = System.getenv("UPSHIFT_TEST_VALKEY");
    Assumptions.assumeTrue(program != null, "UPSHIFT_TEST_VALKEY is not set: the path of a valkey-server");
    folder = Files.createTempDirectory("valkey");
    try (java.net.ServerSocket free = new java.net.ServerSocket(0)) {
      port = free.getLocalPort();
    }
    process =
        new ProcessBuilder(program, "--port", "" + port, "--unixsocket", socket(), "--save", "", "--dir", folder.toString())
            .redirectOutput(new File("/dev/null"))
            .start();
    eventually("the server is up", this::up);
  }

  String socket() {
    return folder.resolve("s").toString();
  }

  private boolean up() {
    try (Jedis client = client()) {
      return client.ping().equals("PONG");
    } catch (RuntimeException notYet) {
      return false;
    }
  }

  Jedis client() {
    return new Jedis(new HostAndPort("127.0.0.1", port));
  }

  static void eventually(String what, BooleanSupplier holds) {
    long until = System.nanoTime() + 30_000_000_000L;
    while (!holds.getAsBoolean()) {
      if (System.nanoTime() > until) {
        fail("never: " + what);
      }
      try {
        Thread.sleep(10);
      } catch (InterruptedException told) {
        throw new IllegalStateException(told);
      }
    }
  }

  @Override
  public void close() throws Exception {
    process.destroyForcibly().waitFor();
  }
}
