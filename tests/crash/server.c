#include "tests/crash/server.h"

#include "tests/crash/wire.h"

#include <err.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LOOK_INTERVAL_US = 2000 };

static _Noreturn void become(const struct server *s, pid_t parent)
{
    char address[64];
    const char *args[SERVER_FLAGS_MAX + 3];
    int n = 0;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(127);
    int fd = open(s->log_path, O_WRONLY | O_CREAT | O_APPEND, 0640);
    if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0)
        _exit(127);
    if (s->preload != NULL)
        setenv("LD_PRELOAD", s->preload, 1);
    snprintf(address, sizeof(address), "--web.listen-address=127.0.0.1:%u", s->port);
    args[n++] = s->program;
    args[n++] = address;
    for (const char *const *flag = s->flags; *flag != NULL; flag++)
        args[n++] = *flag;
    args[n] = NULL;
    execv(s->program, (char *const *)(uintptr_t)args);
    err(127, "%s", s->program);
}

void server_start(struct server *s)
{
    pid_t parent = getpid();
    s->port = wire_free_port();
    s->pid = fork();
    if (s->pid < 0)
        err(2, "fork");
    if (s->pid == 0)
        become(s, parent);
}

enum server_state server_look(struct server *s)
{
    struct wire_buffer text = {0};
    siginfo_t info = {0};
    waitid(P_PID, (id_t)s->pid, &info, WEXITED | WNOHANG | WNOWAIT);
    if (info.si_pid != 0)
        return SERVER_ENDED;
    int status = wire_ask(s->port, "GET", "/-/ready", &text);
    free(text.bytes);
    return status == 200 ? SERVER_READY : SERVER_STARTING;
}

bool server_wait(struct server *s, double seconds)
{
    for (double waited = 0; waited < seconds; waited += LOOK_INTERVAL_US * 1e-6) {
        switch (server_look(s)) {
        case SERVER_READY:
            return true;
        case SERVER_ENDED:
            return false;
        case SERVER_STARTING:
            usleep(LOOK_INTERVAL_US);
        }
    }
    return false;
}

int server_end(struct server *s, int signal_number, double seconds)
{
    int status = 0;
    pid_t ended = 0;
    kill(s->pid, signal_number);
    for (double waited = 0; ended == 0 && waited < seconds; waited += LOOK_INTERVAL_US * 1e-6) {
        ended = waitpid(s->pid, &status, WNOHANG);
        if (ended == 0)
            usleep(LOOK_INTERVAL_US);
    }
    if (ended == 0) {
        kill(s->pid, SIGKILL);
        waitpid(s->pid, &status, 0);
    }
    s->pid = 0;
    return ended == 0 ? -1 : status;
}
