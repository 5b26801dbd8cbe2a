/* Stores our own metrics as series with job="hourglass" and instance=<address>, so that a fresh
 * program has something to show: one scrape of ourselves, without a scrape.
 *
 * Threads: any; takes the store's lock for one batch. */
#ifndef HG_HTTP_SELF_H
#define HG_HTTP_SELF_H

struct app;

/* Stores what /metrics would say now, and up = 1. With --storage.clock=samples it is stamped with
 * the newest sample's time, and nothing is stored before there is one. */
void self_store(struct app *app);

#endif
