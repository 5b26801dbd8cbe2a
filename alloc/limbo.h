#ifndef HG_ALLOC_LIMBO_H
#define HG_ALLOC_LIMBO_H
#include "alloc/epoch.h"
#include "alloc/pool.h"
#include <stdlib.h>
struct limbo_entry { struct pool *p; slot s; uint64_t stamp; };
struct limbo { struct arena *arena; struct epoch *epoch; struct limbo_entry *e; size_t n, cap; };
static inline void limbo_init(struct limbo *l, struct arena *a, struct epoch *e, unsigned owner) { (void)owner; *l=(struct limbo){.arena=a,.epoch=e}; }
static inline bool limbo_reserve(struct limbo *l, size_t n) { if (l->n+n>l->cap) { l->cap=(l->n+n)*2; l->e=realloc(l->e,l->cap*sizeof(*l->e)); } return true; }
static inline void limbo_add(struct limbo *l, struct pool *p, slot s) { l->e[l->n++]=(struct limbo_entry){p,s,0}; }
static inline void limbo_drain(struct limbo *l) { if(!l->n) return; uint64_t st=0; for(size_t i=0;i<l->n;i++) if(!l->e[i].stamp){ if(!st) st=epoch_stamp(l->epoch); l->e[i].stamp=st;} uint64_t old=epoch_oldest(l->epoch); size_t i=0; for(;i<l->n && l->e[i].stamp<old;i++) pool_put(l->arena,l->e[i].p,l->e[i].s); if(i){ for(size_t j=i;j<l->n;j++) l->e[j-i]=l->e[j]; l->n-=i; } }
static inline bool limbo_is_empty(const struct limbo *l) { return l->n==0; }
#endif
