# hourglass. `make run` and `make test` are the two commands that matter; each installs what is missing.
# Files are found by wildcard: a new source, test, .proto or page needs no change here. V=1 shows whole commands.
#   BUILD=dir  where everything goes          SAN=address,undefined | thread | ..   builds with sanitizers
# A layer is an archive, and a test links its layer and those below it: the link proves the layering.

BUILD ?= build
SAN   ?=
ifeq ($(origin CC),default)
CC    := gcc
endif
ifeq ($(origin CXX),default)
CXX   := $(if $(findstring clang,$(CC)),clang++,g++)
endif
ifeq ($(MAKELEVEL)$(findstring -j,$(MAKEFLAGS)),0)
MAKEFLAGS += -j$(shell getconf _NPROCESSORS_ONLN)
endif
MAKEFLAGS += --no-print-directory --no-builtin-rules

ifdef V
Q   :=
say  = @:
else
Q   := @
say  = @printf '  %-6s %s\n'
endif

WARN   := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wvla -Wwrite-strings -Wundef -Werror
CWARN  := -Wstrict-prototypes -Wmissing-prototypes
# A sanitizer's build is compiled for one run, and its reports want no more than lines. -O1 takes half the time of -O2, and
# gcc then guesses of buffers for numbers it knows too little for; under TSan, where little is compiled, running is what counts.
OPTIMISE := $(if $(SAN),-g1 $(if $(filter thread,$(SAN)),-O2,-O1 $(if $(findstring clang,$(CC)),,-Wno-format-truncation)),-O2 -g)
COMMON := -D_GNU_SOURCE $(OPTIMISE) -fno-omit-frame-pointer -ffp-contract=off -pthread -I. -I$(BUILD)/gen -MMD -MP \
          $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all)
CFLAGS   = -std=c11 $(COMMON) $(WARN) $(CWARN) $(EXTRA_CFLAGS)
CXXFLAGS = -std=c++17 -fno-exceptions -fno-rtti $(COMMON) $(WARN)
LDFLAGS  = -pthread -Wl,--as-needed $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all)
# Two hundred test programs, in four builds: lld links one in a third of the time.
LDFLAGS_TEST = $(LDFLAGS) -fuse-ld=lld

# --- layers ---------------------------------------------------------------------------------------------------
LAYERS       := alloc tsdb promql snapshot http
DIR_alloc    := alloc
DIR_tsdb     := tsdb
DIR_promql   := tsdb/promql
DIR_snapshot := snapshot
DIR_http     := http
# what a layer may link, itself first
BELOW_alloc    := alloc
BELOW_tsdb     := tsdb alloc
BELOW_promql   := promql tsdb alloc
BELOW_snapshot := snapshot tsdb alloc
BELOW_http     := http promql snapshot tsdb alloc
BELOW_prop     := promql snapshot tsdb alloc
EXT_alloc    := -lxxhash -lm
EXT_tsdb     := -lre2 -lstdc++ $(EXT_alloc)
EXT_promql   := $(EXT_tsdb)
EXT_snapshot := $(EXT_tsdb)
EXT_http     := -lmicrohttpd -lprotobuf-c -lz $(EXT_snapshot)
EXT_prop     := $(EXT_snapshot)
# The program takes along what it can: 0.9 MiB of RSS and 1 ms of a start less than with shared ones (decision 0001).
SHARED       := -lmicrohttpd -lm
EXT_program  := -lmicrohttpd -static-libgcc -Wl,-Bstatic $(filter-out $(SHARED),$(EXT_http)) -Wl,-Bdynamic -lm
# what only tests and measurements link: it packs bodies, and judges our unpacking
EXT_judge    := -lsnappy

PROTOS := $(wildcard http/proto/*.proto)
PAGES  := $(wildcard http/web/*.html)
GEN_H  := $(PROTOS:%.proto=$(BUILD)/gen/%.pb-c.h)

sources = $(filter-out http/main.c,$(wildcard $(1)/*.c $(1)/*.cc))
objects = $(patsubst %,$(BUILD)/obj/%.o,$(1))
OBJ_alloc    := $(call objects,$(call sources,alloc))
OBJ_tsdb     := $(call objects,$(call sources,tsdb))
OBJ_promql   := $(call objects,$(call sources,tsdb/promql))
OBJ_snapshot := $(call objects,$(call sources,snapshot))
OBJ_http     := $(call objects,$(call sources,http) $(PAGES)) $(PROTOS:%.proto=$(BUILD)/gen/%.pb-c.c.o)
OBJ_codec    := $(call objects,$(wildcard tests/bench/codec*.c) tests/bench/recording.c)
OBJ_ip_table := $(call objects,tests/bench/ip_table.c)
OBJ_write_body := $(call objects,$(addprefix tests/bench/,write_body.c hosts.c body.c body_v2.c texts.c packer.c recording.c))
OBJ_fleet    := $(call objects,$(filter-out tests/bench/codec% tests/bench/ip_table.c tests/bench/write_body.c \
                tests/bench/journal.c tests/bench/rated.c, $(wildcard tests/bench/*.c)))
OBJ_journal  := $(call objects,tests/bench/journal.c)
OBJ_crash    := $(call objects,$(filter-out %/unsynced.c %/scarce.c,$(wildcard tests/crash/*.c)))
OBJ_rated    := $(call objects,tests/bench/rated.c)
OBJ_promqltest := $(call objects,$(wildcard tests/promqltest/*.c))
OBJ_support  := $(call objects,$(call sources,tests/support))

archives = $(foreach layer,$(BELOW_$(1)),$(BUILD)/lib$(layer).a)

UNIT := $(patsubst %.c,$(BUILD)/%,$(wildcard $(LAYERS:%=tests/unit/%/*_test.c)))
PROP := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/prop/*_prop.c))
BENCH := $(BUILD)/tests/bench/fleet $(BUILD)/tests/bench/ip_table $(BUILD)/tests/bench/journal
CODEC := $(BUILD)/tests/bench/codec
WRITE_BODY := $(BUILD)/tests/bench/write_body
CRASH := $(patsubst %,$(BUILD)/tests/crash/%,kills powercut unsynced.so scarce)
FUZZ := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/fuzz/fuzz_*.c))
TEST_OBJ := $(patsubst $(BUILD)/%,$(BUILD)/obj/%.c.o,$(UNIT) $(PROP))

.PHONY: all run demo deps deps-test peers test test-all unit prop promql soak asan tsan fuzz fuzz-replay fuzz-programs \
        e2e e2e-tsan crash compare diff-prometheus diff-debian vmalert bench-memory bench-queries bench-peer-queries bench-lessons bench-durable bench-peers bench-hour bench-codec bench-journal bench-write \
        record lint format format-check clang-check \
        test-programs clean
.SECONDARY:
.DELETE_ON_ERROR:

all: $(BUILD)/hourglass

$(BUILD)/hourglass: $(BUILD)/obj/http/main.c.o $(call archives,http)
	$(say) LINK $@
	$(Q)$(CC) $(LDFLAGS) $^ $(if $(SAN),$(EXT_http),$(EXT_program)) -o $@

# An archive is made anew when its directory changes, so that a removed file leaves it.
define layer_rules
$(BUILD)/lib$(1).a: $(OBJ_$(1)) $(DIR_$(1))
	$$(say) AR $$@
	$$(Q)mkdir -p $$(@D) && rm -f $$@ && ar rcs $$@ $$(filter %.o,$$^)
$(BUILD)/tests/unit/$(1)/%: $(BUILD)/obj/tests/unit/$(1)/%.c.o $(BUILD)/libsupport.a $(call archives,$(1))
	$$(say) LINK $$@
	$$(Q)mkdir -p $$(@D) && $$(CC) $$(LDFLAGS_TEST) $$^ $$(EXT_judge) $$(EXT_$(1)) $$(CRITERION_LIB) -o $$@
endef
DIR_support := tests/support
$(foreach layer,$(LAYERS) support,$(eval $(call layer_rules,$(layer))))

$(BUILD)/obj/%.c.o: %.c Makefile
	$(say) CC $<
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS) -c $< -o $@

$(BUILD)/obj/%.cc.o: %.cc Makefile
	$(say) CXX $<
	$(Q)mkdir -p $(@D) && $(CXX) $(CXXFLAGS) -c $< -o $@

# Two halves of a sum that are stored one by one and read as one vector wait for the store.
$(BUILD)/obj/http/write_refs.c.o $(BUILD)/obj/http/write_body_v2.c.o $(BUILD)/obj/tsdb/series_key.c.o: EXTRA_CFLAGS += -fno-tree-slp-vectorize

# Generated: protobuf messages, included as "http/proto/NAME.pb-c.h", and the pages, as read-only bytes between
# web_NAME_html and web_NAME_html_end.
$(BUILD)/gen/%.pb-c.c $(BUILD)/gen/%.pb-c.h &: %.proto
	$(say) PROTOC $<
	$(Q)mkdir -p $(@D) && protoc-c --proto_path=$(<D) --c_out=$(@D) $<

$(BUILD)/gen/%.pb-c.c.o: $(BUILD)/gen/%.pb-c.c Makefile
	$(say) CC $<
	$(Q)$(CC) $(CFLAGS) -c $< -o $@

$(BUILD)/obj/http/web/%.html.o: http/web/%.html Makefile
	$(say) EMBED $<
	$(Q)mkdir -p $(@D) && symbol=web_$(subst -,_,$*)_html && printf '%s\n' '.section .rodata' \
	    ".global $$symbol, $${symbol}_end" "$$symbol:" '.incbin "$<"' "$${symbol}_end:" '.byte 0' \
	    '.section .note.GNU-stack,"",@progbits' | $(CC) -c -x assembler - -o $@

$(OBJ_http) $(BUILD)/obj/http/main.c.o $(OBJ_support) $(OBJ_write_body) $(TEST_OBJ) $(FUZZ:$(BUILD)/%=$(BUILD)/obj/%.c.o): | $(GEN_H)

-include $(patsubst %.o,%.d,$(foreach layer,$(LAYERS) support fleet ip_table journal codec write_body crash scarce rated promqltest,$(filter-out %.html.o,$(OBJ_$(layer)))) \
           $(BUILD)/obj/http/main.c.o $(TEST_OBJ) $(FUZZ:$(BUILD)/%=$(BUILD)/obj/%.c.o))

# --- what is needed, and running ------------------------------------------------------------------------------
PACKAGES      := gcc g++ libmicrohttpd-dev libprotobuf-c-dev protobuf-c-compiler libsnappy-dev libre2-dev libxxhash-dev \
                 zlib1g-dev
PACKAGES_TEST := libcriterion-dev clang libclang-rt-14-dev clang-format lld python3 chromium zstd

deps:
	@tests/tools/deps.sh $(PACKAGES)

deps-test:
	@tests/tools/deps.sh $(PACKAGES) $(PACKAGES_TEST)

# The second make sees what the first has installed.
run: deps
	@$(MAKE) all
	@exec $(BUILD)/hourglass --storage.path=data $(ARGS)

peers:
	@tests/tools/get-peers.sh $(abspath build/peers)

demo: deps
	@$(MAKE) all peers
	@exec tests/tools/demo.sh

# --- tests ----------------------------------------------------------------------------------------------------
# Criterion and ThreadSanitizer do not go together: under SAN=thread the tests meet a small stand-in.
ifeq ($(SAN),thread)
$(BUILD)/obj/tests/%: EXTRA_CFLAGS += -isystem tests/support/criterion_lite -Wno-pedantic
else
CRITERION_LIB := -lcriterion
endif

$(BUILD)/tests/prop/%: $(BUILD)/obj/tests/prop/%.c.o $(BUILD)/libsupport.a $(call archives,prop)
	$(say) LINK $@
	$(Q)mkdir -p $(@D) && $(CC) $(LDFLAGS_TEST) $^ $(EXT_prop) -o $@

# UBSan's part of the fuzzer's runtime is C++.
$(BUILD)/tests/fuzz/%: $(BUILD)/obj/tests/fuzz/%.c.o $(BUILD)/libsupport.a $(call archives,http)
	$(say) LINK $@
	$(Q)mkdir -p $(@D) && $(CXX) $(LDFLAGS_TEST) -fsanitize=fuzzer $^ $(EXT_judge) $(EXT_http) -o $@

test-programs: $(UNIT) $(PROP) $(BENCH) $(CODEC) $(WRITE_BODY) $(CRASH) $(BUILD)/promqltest $(BUILD)/tests/bench/rated
fuzz-programs: $(FUZZ)

unit: $(UNIT)
	@tests/tools/run-suite.sh $(BUILD) unit $^

prop: $(PROP)
	@tests/tools/run-suite.sh $(BUILD) prop $^

# At full length what `make test` holds a minute of: kills, power cuts, every fault, every damaged byte, replays, property
# tests. Hours; a line a row. ROWS="kills faults" runs some, KILLS=30 FAULTS=20 ROUNDS=50 for a quick look.
soak: all $(BENCH) $(CRASH) $(PROP) $(patsubst %,$(BUILD)/tests/unit/%_test,http/recorder $(addprefix snapshot/,journal_replay load check directory))
	@MAKE="$(MAKE)" BUILD=$(BUILD) ROWS="$(ROWS)" tests/tools/soak.sh

# Property tests first: they are long and on one core, and the suite shall not end with them alone.
ASAN_PROGRAMS := $(patsubst $(BUILD)/%,build/asan/%,$(PROP) $(UNIT))

asan:
	@$(MAKE) BUILD=build/asan SAN=address,undefined $(ASAN_PROGRAMS)
	@tests/tools/run-suite.sh build/asan asan $(ASAN_PROGRAMS)

# Tests that start threads; the others have nothing to show there. Journals that fail in one way after the other take
# minutes, and journal_threads_test and ahead_test have their threads.
TSAN_UNIT := $(filter-out %/chunk_test.c %/journal_faults_test.c %/carry_faults_test.c,$(shell grep -lE \
               'pthread_create|server_start|test_server.h|acceptor_start|workers_start|journal_open|recorder_replay' $(wildcard tests/unit/*/*_test.c)))
TSAN_PROGRAMS := $(TSAN_UNIT:%.c=build/tsan/%)

tsan:
	@$(MAKE) BUILD=build/tsan SAN=thread $(TSAN_PROGRAMS)
	@tests/tools/run-suite.sh build/tsan tsan $(TSAN_PROGRAMS)

FUZZ_MAKE = $(MAKE) BUILD=build/fuzz CC=clang SAN=fuzzer-no-link,address,undefined fuzz-programs

fuzz:
	+@$(FUZZ_MAKE)
	@tests/tools/run-fuzz.sh fuzz $(FUZZ:$(BUILD)/%=build/fuzz/%)

fuzz-replay:
	+@$(FUZZ_MAKE)
	@tests/tools/run-fuzz.sh fuzz-replay $(FUZZ:$(BUILD)/%=build/fuzz/%)

e2e: all peers $(BENCH)
	@python3 -B tests/e2e/run.py $(E2E)

# The same server built with ThreadSanitizer, asked by many at once; a report is a failure.
e2e-tsan: peers
	@$(MAKE) BUILD=build/tsan SAN=thread build/tsan/hourglass
	@rm -rf build/tsan/reports/e2e && mkdir -p build/tsan/reports/e2e
	@TSAN_OPTIONS=log_path=$$PWD/build/tsan/reports/e2e/tsan HOURGLASS=$$PWD/build/tsan/hourglass SUITE=e2e-tsan \
		python3 -B tests/e2e/run.py $${E2E:-test_api test_concurrent test_restart}
	@! cat build/tsan/reports/e2e/* 2>/dev/null | grep ''

# Five minutes of a real Prometheus beside us, then the same questions to both.
compare: all peers
	@DURATION=$${DURATION:-300} INTERVAL=$${INTERVAL:-5} VERBOSE=1 python3 -B tests/e2e/run.py test_real

# Random questions about random series to us and to a real Prometheus, in both modes of name removal: a minute, and what
# differs. N=500 is for a quick look, SEED=7 repeats; VERBOSE=1 lists also what is chance or a fault in Prometheus.
diff-prometheus: all peers
	@N=$${N:-20000} TWICE=1 SUITE=diff python3 -B tests/e2e/run.py test_differential

# The same of Debian's own Prometheus, which is older, with the constructs that both answer alike.
diff-debian: all
	@tests/tools/get-peers.sh $(abspath build/peers-debian) own-prometheus
	@N=$${N:-20000} PEERS_BIN=$(abspath build/peers-debian/usr/bin) SUITE=diff python3 -B tests/e2e/run.py test_differential

# Ten minutes of two vmalerts with thirty rules, one on us and one on a real Prometheus.
vmalert: all peers
	@tests/tools/get-peers.sh $(abspath build/peers) victoria-metrics
	@DURATION=$${DURATION:-600} INTERVAL=$${INTERVAL:-5} SUITE=vmalert python3 -B tests/e2e/run.py test_vmalert

# Memory against the bars of docs/memory.md, end to end. ROWS="d1 churn" runs some, SCALE=0.05 is for a quick look,
# DATA=file.tar.zst names the scrapes to replay.
$(BUILD)/tests/bench/fleet: $(OBJ_fleet)
	$(say) LINK $@
	$(Q)mkdir -p $(@D) && $(CC) $(LDFLAGS) $^ -o $@

$(BUILD)/tests/bench/ip_table: $(OBJ_ip_table) $(BUILD)/libsupport.a $(call archives,tsdb)
	$(say) LINK $@
	$(Q)mkdir -p $(@D) && $(CC) $(LDFLAGS) $^ $(EXT_tsdb) -o $@

# What a record of the journal costs, on the disk of DIR.
$(BUILD)/tests/bench/journal: $(OBJ_journal) $(BUILD)/libsupport.a $(call archives,snapshot)
	$(say) LINK $@
	$(Q)mkdir -p $(@D) && $(CC) $(LDFLAGS) $^ $(EXT_snapshot) -o $@

bench-journal: $(BUILD)/tests/bench/journal
	@$< $${DIR:-build/bench/journal}

# Scripts in Prometheus' test language, run against the store and the engine: tests/promql/README.md.
promql: $(BUILD)/promqltest
	@tests/tools/run-promql.sh $(BUILD)

$(BUILD)/promqltest: $(OBJ_promqltest) $(call archives,promql)
	$(say) LINK $@
	$(Q)mkdir -p $(@D) && $(CC) $(LDFLAGS) $^ $(EXT_promql) -o $@

# What queries cost a sample: tests/bench/rated.c. ARGS="10000 24" are series and hours.
$(BUILD)/tests/bench/rated: $(OBJ_rated) $(call archives,promql)
	$(say) LINK $@
	$(Q)mkdir -p $(@D) && $(CC) $(LDFLAGS) $^ $(EXT_promql) -o $@

bench-queries: $(BUILD)/tests/bench/rated
	@$< $(ARGS)

# The same next to both peers, 16 kinds of query over up to 28 hours: CPU, memory.
bench-peer-queries: all peers $(BENCH)
	@tests/tools/get-peers.sh $(abspath build/peers) victoria-metrics
	@SCALE="$(SCALE)" DATA="$(DATA)" PEERS="$(PEERS)" python3 -B tests/bench/queries.py

bench-memory: all $(BENCH)
	@ROWS="$(ROWS)" SCALE="$(SCALE)" DATA="$(DATA)" LIVELY="$(LIVELY)" python3 -B tests/bench/memory.py

# A second, livelier set for the benchmarks: three real targets at a true 15 s, HOURS long.
record: peers
	@tests/tools/get-peers.sh $(abspath build/peers) victoria-metrics
	@mkdir -p build/bench && python3 -B tests/bench/record.py build/bench/lively.tar.zst $${HOURS:-4}

# Five stories of other stores' memory, theirs beside ours. ROWS="a b e" runs some.
bench-lessons: all $(BENCH)
	@ROWS="$(ROWS)" SCALE="$(SCALE)" DATA="$(DATA)" python3 -B tests/bench/lessons.py

# What it costs to lose nothing, and how fast it comes back, next to both peers. ROWS="restart kill" runs some.
bench-durable: all peers $(BENCH)
	@ROWS="$(ROWS)" SCALE="$(SCALE)" DATA="$(DATA)" python3 -B tests/bench/durable.py

# What a sample costs to take in, next to both peers on the same bodies: an hour for all. ROWS="one new" runs some,
# SCALE=0.05 is for a quick look; SCRAPES, ROUNDS, MINUTES, CONNECTIONS: tests/bench/peers.py.
bench-peers: all peers $(BENCH)
	@tests/tools/get-peers.sh $(abspath build/peers) victoria-metrics
	@ROWS="$(ROWS)" SCALE="$(SCALE)" DATA="$(DATA)" python3 -B tests/bench/peers.py

# An hour of 500,000 series with churn, queries and snapshots in windows of five minutes. MINUTES, SCALE: tests/bench/hour.py.
bench-hour: all $(BENCH)
	@SCALE="$(SCALE)" DATA="$(DATA)" python3 -B tests/bench/hour.py

# Columns: ns and bytes a value by encoding and family, building, decoding, appending, reading. DATA as above.
$(CODEC): $(OBJ_codec) $(call archives,tsdb)
	$(say) LINK $@
	$(Q)mkdir -p $(@D) && $(CC) $(LDFLAGS) $^ $(EXT_tsdb) -o $@

bench-codec: $(CODEC)
	@DATA="$(DATA)" PROGRAM=$(CODEC) python3 -B tests/bench/codec.py

# A remote write: ns a sample, unpacked, walked over, appended, with keys alone and protobuf-c beside. DATA as above.
$(WRITE_BODY): $(OBJ_write_body) $(call archives,http)
	$(say) LINK $@
	$(Q)mkdir -p $(@D) && $(CC) $(LDFLAGS) $^ $(EXT_judge) $(EXT_http) -o $@

bench-write: $(WRITE_BODY)
	@DATA="$(DATA)" PROGRAM=$(WRITE_BODY) python3 -B tests/bench/codec.py
# Crashes, power cuts and faults of the disk (tests/crash/README.md): about a minute. T="test_faults" runs one file.
OBJ_kills    := $(filter-out %/powercut.c.o,$(OBJ_crash))
OBJ_powercut := $(call objects,tests/crash/powercut.c tests/crash/cut.c)

$(BUILD)/tests/crash/kills $(BUILD)/tests/crash/powercut: $(BUILD)/tests/crash/%: $(OBJ_crash) $(BUILD)/libsupport.a
	$(say) LINK $@
	$(Q)mkdir -p $(@D) && $(CC) $(LDFLAGS) $(OBJ_$*) $(BUILD)/libsupport.a $(EXT_judge) -o $@

# Loaded into other programs, so without sanitizers.
$(BUILD)/tests/crash/unsynced.so: tests/crash/unsynced.c tests/crash/unsynced.h Makefile
	$(say) LINK $@
	$(Q)mkdir -p $(@D) && $(CC) $(filter-out -fsanitize=% -MMD -MP,$(CFLAGS)) -fPIC -shared $< -ldl -o $@

# The server, with memory that is refused on demand.
SCARCE_WRAPS := arena_page_get arena_span_get budget_take budget_take_or
OBJ_scarce   := $(call objects,tests/crash/scarce.c)

$(BUILD)/tests/crash/scarce: $(BUILD)/obj/http/main.c.o $(OBJ_scarce) $(call archives,http)
	$(say) LINK $@
	$(Q)mkdir -p $(@D) && $(CC) $(LDFLAGS) $(SCARCE_WRAPS:%=-Wl,--wrap=%) $^ $(EXT_http) -ldl -o $@

crash: all $(CRASH)
	@BUILD=$(abspath $(BUILD)) SUITE=crash TESTS=tests/crash python3 -B tests/e2e/run.py $(T)

test: deps-test
	@$(MAKE) test-all

test-all:
	@tests/tools/test-all.sh "$(MAKE)"

# Everything once more with the other compiler, for its warnings: they come before code is made, so none is.
SYNTAX := $(patsubst %,$(BUILD)/syntax/%.ok,$(shell find alloc tsdb snapshot http tests -name '*.c' -o -name '*.cc'))

clang-check: $(SYNTAX)

$(BUILD)/syntax/%.c.ok: %.c Makefile | $(GEN_H)
	$(say) CLANG $<
	$(Q)mkdir -p $(@D) && clang $(CFLAGS) -fsyntax-only -MT $@ -MF $(@:.ok=.d) $< && touch $@

$(BUILD)/syntax/%.cc.ok: %.cc Makefile
	$(say) CLANG $<
	$(Q)mkdir -p $(@D) && clang++ $(CXXFLAGS) -fsyntax-only -MT $@ -MF $(@:.ok=.d) $< && touch $@

-include $(SYNTAX:.ok=.d)

lint: $(GEN_H)
	@BUILD=$(BUILD) CC=$(CC) tests/lint/run.sh

C_FILES = $$(find alloc tsdb snapshot http tests -name '*.[ch]' -o -name '*.cc')

format:
	@clang-format -i $(C_FILES)

format-check:
	@clang-format --dry-run -Werror $(C_FILES)

clean:
	rm -rf build
