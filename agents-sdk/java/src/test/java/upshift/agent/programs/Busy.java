package upshift.agent.programs;

/** An application that knows nothing of Upshift: so many threads that compute for ever. */
public final class Busy {
  private Busy() {}

  static volatile double sink;

  public static void main(String[] arguments) throws Exception {
    int threads = arguments.length > 0 ? Integer.parseInt(arguments[0]) : 2;
    for (int i = 0; i < threads; i++) {
      new Thread(Busy::compute, "busy-" + i).start();
    }
    System.out.println("busy");
    Thread.sleep(1_000); // the agent's beginning is on a thread of its own
  }

  private static void compute() {
    double x = 1;
    while (true) {
      for (int i = 0; i < 10_000; i++) {
        x = Math.sqrt(x * 3 + i);
      }
      sink = x;
    }
  }
}
