package upshift.agent.running;

import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.Executor;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

/** What may hang or take long and nobody waits for: done in order by a thread that lives no longer. */
public final class Errands implements Executor {
  private final ThreadPoolExecutor thread;

  /**
   * Makes a queue.
   *
   * @param name of the thread
   * @param most how many may wait; further ones are dropped
   */
  public Errands(String name, int most) {
    thread =
        new ThreadPoolExecutor(
            1,
            1,
            1,
            TimeUnit.SECONDS,
            new ArrayBlockingQueue<>(most),
            run -> daemon(run, name),
            new ThreadPoolExecutor.DiscardPolicy());
    thread.allowCoreThreadTimeOut(true);
  }

  static Thread daemon(Runnable run, String name) {
    Thread thread = new Thread(null, run, name, 0, false);
    thread.setDaemon(true);
    thread.setContextClassLoader(null); // keeps no application's classes alive
    return thread;
  }

  @Override
  public void execute(Runnable errand) {
    try {
      thread.execute(() -> quietly(errand));
    } catch (Throwable noThread) {
      // the process has reached its limit of threads: an errand less, and whoever asked for it goes on
    }
  }

  private static void quietly(Runnable errand) {
    try {
      errand.run();
    } catch (Throwable ignored) {
      // whatever it is, the application's handler of uncaught exceptions has no part in it
    }
  }

  /**
   * Waits for what was asked for so far.
   *
   * @param ms at most so long
   */
  public void finish(long ms) {
    thread.shutdown();
    try {
      thread.awaitTermination(ms, TimeUnit.MILLISECONDS);
    } catch (InterruptedException told) {
      Thread.currentThread().interrupt();
    }
  }
}
