# vendor_routing: make && make install && make installcheck
#
# PG_CONFIG picks the PostgreSQL; installcheck needs a running server (PGHOST,
# PGPORT) whose superuser we are, and runs pg_regress, isolation and TAP tests.

ifeq ($(wildcard vendor_routing.control),)
$(error run make in the directory of the source)
endif

EXTENSION = vendor_routing
EXTVERSION := $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" $(EXTENSION).control)

MODULE_big = $(EXTENSION)
OBJS = $(EXTENSION).o $(patsubst %.c,%.o,$(sort $(wildcard src/*.c)))
PG_CPPFLAGS = -DVR_VERSION='"$(EXTVERSION)"'
PG_CFLAGS = -Wall -Wextra -Werror -Wno-unused-parameter -Wno-sign-compare -Wno-missing-field-initializers

VERSIONED_SQL = $(EXTENSION)--$(EXTVERSION).sql
DATA_built = $(VERSIONED_SQL)
DATA = $(wildcard sql/upgrade/$(EXTENSION)--*--*.sql)
DOCS = doc/vendor_routing.md
EXTRA_CLEAN = $(VERSIONED_SQL) test/isolation/output

# First what creates the extension for the others, last what drops it.
REGRESS = install $(filter-out install recreate,$(patsubst sql/%.sql,%,$(sort $(wildcard sql/*.sql)))) recreate
ISOLATION = $(patsubst test/isolation/specs/%.spec,%,$(sort $(wildcard test/isolation/specs/*.spec)))
ISOLATION_OPTS = --inputdir=test/isolation --outputdir=test/isolation/output --load-extension=$(EXTENSION)
TAP_TESTS = 1
PROVE_TESTS = test/t/*.pl

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

$(OBJS): $(sort $(wildcard src/*.h)) $(EXTENSION).control

# The parts in the order of their numbers.
$(VERSIONED_SQL): $(sort $(wildcard sql/install/*.sql))
	cat $^ > $@
