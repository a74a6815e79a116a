/** A process that is busy and knows nothing of Upshift: Busy [BUSY THREADS] [cpu|alloc|lock]. */
public class Busy {
    static volatile long total;
    static volatile byte[] kept;
    static final Object monitor = new Object();

    static void spend() {
        long sum = 0;
        for (long number = 0; number < 1_000_000; number++) sum += number * number % 7;
        total += sum;
    }

    static void allocate() {
        for (int times = 0; times < 100; times++) kept = new byte[1024];
    }

    static void hold() {
        synchronized (monitor) {
            long until = System.nanoTime() + 30_000_000;
            while (System.nanoTime() < until) total++;
        }
    }

    static void work(String what) {
        while (true) {
            switch (what) {
                case "alloc" -> allocate();
                case "lock" -> hold();
                default -> spend();
            }
        }
    }

    public static void main(String[] args) {
        int threads = args.length > 0 ? Integer.parseInt(args[0]) : 1;
        String what = args.length > 1 ? args[1] : "cpu";
        for (int one = 0; one < threads; one++) new Thread(() -> work(what), "worker-" + one).start();
        System.out.println("busy");
    }
}
