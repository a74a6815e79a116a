package upshift.agent.running;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.ProtocolFamily;
import java.net.Socket;
import java.net.SocketAddress;
import java.net.SocketTimeoutException;
import java.net.StandardProtocolFamily;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;

/** A Unix domain socket as a {@link Socket}; Java 16 or newer has them, by names that 11 does not know. */
final class UnixSocket extends Socket {
  private final SocketChannel channel;
  private final Selector readable = Selector.open();
  private volatile int timeoutMs;

  UnixSocket(String path) throws IOException {
    try {
      Object address =
          Class.forName("java.net.UnixDomainSocketAddress").getMethod("of", String.class).invoke(null, path);
      channel =
          (SocketChannel)
              SocketChannel.class
                  .getMethod("open", ProtocolFamily.class)
                  .invoke(null, StandardProtocolFamily.valueOf("UNIX"));
      channel.connect((SocketAddress) address);
      channel.configureBlocking(false);
      channel.register(readable, SelectionKey.OP_READ);
    } catch (ReflectiveOperationException | IllegalArgumentException unknown) {
      throw new IOException("unix:// needs Java 16 or newer", unknown);
    }
  }

  @Override
  public InputStream getInputStream() {
    return new InputStream() {
      @Override
      public int read() throws IOException {
        byte[] one = new byte[1];
        return read(one, 0, 1) < 0 ? -1 : one[0] & 0xFF;
      }

      @Override
      public int read(byte[] into, int from, int length) throws IOException {
        int count;
        while ((count = channel.read(ByteBuffer.wrap(into, from, length))) == 0) {
          readable.selectedKeys().clear();
          if (readable.select(timeoutMs) == 0) {
            throw new SocketTimeoutException("no answer for " + timeoutMs + " ms");
          }
        }
        return count;
      }
    };
  }

  @Override
  public OutputStream getOutputStream() {
    return new OutputStream() {
      @Override
      public void write(int one) throws IOException {
        write(new byte[] {(byte) one}, 0, 1);
      }

      @Override
      public void write(byte[] bytes, int from, int length) throws IOException {
        ByteBuffer left = ByteBuffer.wrap(bytes, from, length);
        double until = Steady.nowMs() + 5_000;
        while (channel.write(left) >= 0 && left.hasRemaining()) {
          if (Steady.nowMs() > until) {
            throw new SocketTimeoutException("it takes nothing for 5 s");
          }
          Thread.onSpinWait();
        }
      }
    };
  }

  @Override
  public void setSoTimeout(int ms) {
    timeoutMs = ms;
  }

  @Override
  public int getSoTimeout() {
    return timeoutMs;
  }

  @Override
  public boolean isConnected() {
    return channel.isConnected();
  }

  @Override
  public boolean isBound() {
    return true;
  }

  @Override
  public boolean isClosed() {
    return !channel.isOpen();
  }

  @Override
  public synchronized void close() throws IOException {
    channel.close();
    readable.close();
  }
}
