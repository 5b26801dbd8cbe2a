/* Preloaded into the server by test_memory.py: takes 8 MiB when it is told to, and forgets them.
 * The shipped binary has no such switch. Reads letters from the fifo $LEAK_FIFO: 'm' malloc, 'p'
 * mmap; answers with a byte on $LEAK_DONE when the memory is there. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { LEAK_BYTES = 8 << 20 };

static void *leak_main(void *arg)
{
    int fd = open(getenv("LEAK_FIFO"), O_RDONLY);
    int done_fd = open(getenv("LEAK_DONE"), O_WRONLY);
    char letter;
    (void)arg;
    while (read(fd, &letter, 1) == 1) {
        void *volatile p = letter == 'm' ? malloc(LEAK_BYTES)
                                         : mmap(NULL, LEAK_BYTES, PROT_READ | PROT_WRITE,
                                                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        memset(p, 1, LEAK_BYTES);
        if (write(done_fd, &letter, 1) != 1)
            break;
    }
    return NULL;
}

__attribute__((constructor)) static void leak_start(void)
{
    pthread_t thread;
    sigset_t all, before;
    sigfillset(&all); /* signals are for the server's own threads */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_create(&thread, NULL, leak_main, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}
