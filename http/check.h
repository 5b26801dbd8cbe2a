/* hourglass check DIR: verifies what lies in a directory and prints what is there, without loading
 * it and without touching it; the directory may be in use.
 *
 * Threads: before there are others. */
#ifndef HG_HTTP_CHECK_H
#define HG_HTTP_CHECK_H

/* What is behind "check" on the command line. Returns the exit code: 0 all is good, 1 something is
 * damaged or cannot be read, 2 usage. */
int check_main(int argc, char **argv);

#endif
