#include "snapshot/snapshot.h"

#include "temp_dir.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

static struct temp_dir dir;

static void given_a_directory(void)
{
    cr_assert(temp_dir_new(&dir));
}

static void remove_it(void)
{
    temp_dir_remove(&dir);
}

TestSuite(lock, .init = given_a_directory, .fini = remove_it);

/* What another process gets. */
static int lock_elsewhere(const char *path)
{
    pid_t child = fork();
    if (child == 0) {
        int fd;
        _exit(-snapshot_lock_dir(path, &fd));
    }
    int status = 0;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status));
    return -WEXITSTATUS(status);
}

Test(lock, keeps_a_second_process_out_until_it_is_closed)
{
    int fd = -1;
    cr_assert_eq(snapshot_lock_dir(dir.path, &fd), 0);
    cr_assert_eq(lock_elsewhere(dir.path), ERR_LOCKED);
    int again = -1;
    cr_assert_eq(snapshot_lock_dir(dir.path, &again), ERR_LOCKED);
    cr_assert_eq(again, -1, "an output was touched on failure");
    close(fd);
    cr_assert_eq(lock_elsewhere(dir.path), 0);
}

Test(lock, goes_with_the_process_that_is_killed)
{
    int ready[2];
    cr_assert_eq(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        int fd;
        char answer = snapshot_lock_dir(dir.path, &fd) == 0 ? 'y' : 'n';
        (void)!write(ready[1], &answer, 1);
        pause();
        _exit(0);
    }
    char answer = 0;
    cr_assert_eq(read(ready[0], &answer, 1), 1);
    cr_assert_eq(answer, 'y');
    int fd = -1;
    cr_assert_eq(snapshot_lock_dir(dir.path, &fd), ERR_LOCKED);
    kill(child, SIGKILL);
    cr_assert_eq(waitpid(child, NULL, 0), child);
    cr_assert_eq(snapshot_lock_dir(dir.path, &fd), 0);
    close(fd);
}

Test(lock, makes_one_missing_directory)
{
    char path[80], deeper[96];
    snprintf(path, sizeof path, "%s/data", dir.path);
    snprintf(deeper, sizeof deeper, "%s/data/a/b", dir.path);
    int fd = -1;
    cr_assert_eq(snapshot_lock_dir(path, &fd), 0);
    close(fd);
    struct stat st;
    cr_assert_eq(stat(path, &st), 0);
    cr_assert(S_ISDIR(st.st_mode) && (st.st_mode & 07) == 0);
    cr_assert_eq(snapshot_lock_dir(deeper, &fd), ERR_IO);
    cr_assert_eq(errno, ENOENT);
    unlink(temp_dir_file(&dir, "data/LOCK"));
    rmdir(path);
}

Test(lock, leaves_nothing_but_the_lock)
{
    int fd = -1;
    cr_assert_eq(snapshot_lock_dir(dir.path, &fd), 0);
    cr_assert(temp_dir_has(&dir, "LOCK"));
    cr_assert_eq(temp_dir_count(&dir), 1);
    close(fd);
}

Test(lock, what_is_no_directory_is_an_error)
{
    cr_assert(file_write_all(temp_dir_file(&dir, "file"), "x", 1));
    int fd = -1;
    cr_assert_eq(snapshot_lock_dir(temp_dir_file(&dir, "file"), &fd), ERR_IO);
    cr_assert_eq(errno, ENOTDIR);
}

/* With permissions as a user that is not root has them. The LOCK is there already and can be
 * opened: that is not enough. */
Test(lock, a_directory_that_cannot_be_written_to_is_an_error)
{
    int fd = -1;
    cr_assert_eq(snapshot_lock_dir(dir.path, &fd), 0);
    close(fd);
    cr_assert_eq(chmod(temp_dir_file(&dir, "LOCK"), 0666), 0);
    cr_assert_eq(chmod(dir.path, 0555), 0);
    pid_t child = fork();
    if (child == 0) {
        if (geteuid() == 0 && setuid(65534) < 0)
            _exit(99);
        int err = snapshot_lock_dir(dir.path, &fd);
        _exit(err == ERR_IO && errno == EACCES ? 0 : 1);
    }
    int status = 0;
    cr_assert_eq(waitpid(child, &status, 0), child);
    chmod(dir.path, 0755);
    cr_assert(WIFEXITED(status));
    cr_assert_eq(WEXITSTATUS(status), 0);
}
