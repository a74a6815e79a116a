/** A program that is busy in what the agent takes for transactions (`trace_methods=Traced#work`). */
public class Traced {
    static volatile long total;

    static void spend(long ms) {
        long until = System.nanoTime() + ms * 1_000_000;
        while (System.nanoTime() < until) total++;
    }

    static void work() {
        spend(900);
    }

    public static void main(String[] args) {
        while (true) work();
    }
}
