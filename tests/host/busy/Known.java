import java.io.FileWriter;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.ReentrantLock;

/**
 * A process that says what it does: Known FILE [IDLE THREADS]. Each 50 ms it adds a line to FILE: Unix
 * time in milliseconds, bytes that it has allocated, and nanoseconds that it has waited for locks.
 */
public class Known {
    static final AtomicLong allocated = new AtomicLong();
    static final AtomicLong waited = new AtomicLong();
    static final Object monitor = new Object();
    static final ReentrantLock lock = new ReentrantLock();
    static volatile byte[] kept;
    static volatile long total;

    interface Work {
        void once() throws Exception;
    }

    static void always(String name, Work work) {
        Thread thread = new Thread(() -> {
            try {
                while (true) work.once();
            } catch (Exception error) {
                throw new RuntimeException(error);
            }
        }, name);
        thread.setDaemon(true);
        thread.start();
    }

    static void allocate() throws Exception {
        for (int times = 0; times < 64; times++) kept = new byte[4080];
        allocated.addAndGet(64 * 4096);
        Thread.sleep(10);
    }

    static void hold() throws Exception {
        synchronized (monitor) {
            Thread.sleep(4);
        }
        Thread.sleep(1);
    }

    static void enter() throws Exception {
        long since = System.nanoTime();
        synchronized (monitor) {
            waited.addAndGet(System.nanoTime() - since);
        }
        Thread.sleep(1);
    }

    static void holdLock() throws Exception {
        lock.lock();
        try {
            Thread.sleep(4);
        } finally {
            lock.unlock();
        }
        Thread.sleep(1);
    }

    static void enterLock() throws Exception {
        long since = System.nanoTime();
        lock.lock();
        try {
            waited.addAndGet(System.nanoTime() - since);
        } finally {
            lock.unlock();
        }
        Thread.sleep(1);
    }

    static void spend() {
        for (int number = 0; number < 1000; number++) total += number % 7;
    }

    public static void main(String[] args) throws Exception {
        int idle = args.length > 1 ? Integer.parseInt(args[1]) : 0;
        for (int one = 0; one < idle; one++) always("idle-" + one, () -> Thread.sleep(1_000_000));
        always("spender", Known::spend);
        always("allocator", Known::allocate);
        always("holder", Known::hold);
        always("enterer", Known::enter);
        always("lock holder", Known::holdLock);
        always("lock enterer", Known::enterLock);
        System.out.println("busy");
        try (FileWriter file = new FileWriter(args[0])) {
            while (true) {
                file.write(System.currentTimeMillis() + " " + allocated + " " + waited + "\n");
                file.flush();
                Thread.sleep(50);
            }
        }
    }
}
