/* A process that is busy and knows nothing of Upshift. */
#include <stdio.h>
#include <unistd.h>

volatile unsigned long total;

__attribute__((noinline)) void spend(void) {
    for (unsigned long number = 0; number < 1000000; number++)
        total += number * number;
}

/* Some of the time in the kernel, so that stacks have both parts. */
__attribute__((noinline)) void ask(void) {
    for (int times = 0; times < 100; times++)
        getppid();
}

int main(void) {
    puts("busy");
    fflush(stdout);
    for (;;) {
        spend();
        ask();
    }
}
