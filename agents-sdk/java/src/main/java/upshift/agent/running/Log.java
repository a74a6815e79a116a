package upshift.agent.running;

import java.util.HashSet;
import java.util.Set;
import java.util.function.BiConsumer;
import upshift.agent.contract.Text;

/** What the agent has to say. A logger that hangs or throws holds nothing up. */
public final class Log {
  private static final int MAX_DIFFERENT = 50; // a complaint may hold anything, so their number has an end

  private final BiConsumer<System.Logger.Level, String> sink;
  private final Errands errands = new Errands("upshift-log", 100);
  private final Set<String> made = new HashSet<>();

  /**
   * Makes one.
   *
   * @param sink takes each line
   */
  public Log(BiConsumer<System.Logger.Level, String> sink) {
    this.sink = sink;
  }

  /**
   * Says what is well.
   *
   * @param line cleaned here
   */
  public void info(String line) {
    say(System.Logger.Level.INFO, line);
  }

  /**
   * Says what is not.
   *
   * @param line cleaned here
   */
  public void warn(String line) {
    say(System.Logger.Level.WARNING, line);
  }

  /**
   * Says what is not, unless the same was said before.
   *
   * @param complaint cleaned here
   */
  public void once(String complaint) {
    synchronized (made) {
      if (made.size() >= MAX_DIFFERENT || !made.add(complaint)) {
        return;
      }
    }
    warn(complaint);
  }

  /**
   * All is well again: what is said next is news.
   *
   * @param prefix what such complaints begin with
   */
  void forget(String prefix) {
    synchronized (made) {
      made.removeIf(complaint -> complaint.startsWith(prefix));
    }
  }

  private void say(System.Logger.Level level, String line) {
    String clean = Text.clean(line, 2000);
    errands.execute(() -> sink.accept(level, clean));
  }

  /**
   * Returns an error in one line.
   *
   * @param error any
   * @return its kind, and what it says
   */
  public static String describe(Throwable error) {
    String says = error.getMessage();
    String kind = error.getClass().getSimpleName();
    return Text.clean(says == null || says.isEmpty() ? kind : kind + ": " + says, 500);
  }
}
