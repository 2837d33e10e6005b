# shellcheck shell=bash
#
# What the scripts of this directory share: packages, a private copy of the
# server, a throwaway cluster, and how progress and failures are shown.
#
# A script sources this file and calls begin.  Everything happens in one
# temporary directory ($WORK), which is gone when the script ends, however it
# ends.  The system's PostgreSQL, its clusters and this source tree are left as
# they are.
#
# The environment it looks at:
#   PG_MAJOR    major version of PostgreSQL to use; 15 unless told otherwise
#   PG_CONFIG   pg_config of the server to use; then PG_MAJOR is its version
#   TMPDIR      where the temporary directory is made
#   NO_COLOR    no colours, even on a terminal

set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
SCRIPT_NAME=$(basename "$0")
SERVER_USER=postgres
UNAVAILABLE=69 # exit status where packages cannot be had (EX_UNAVAILABLE)

# While packages are installed, this keeps Debian from making a cluster.
DROPIN=/etc/postgresql-common/createcluster.d/vendor_routing.conf

WORK=          # the temporary directory
LOG=           # file with everything the steps print
SOURCE=        # copy of the source tree
BIN=           # programs of the private copy of the server
CURRENT_STEP=  # step in progress
ADVICE=        # what to tell when this step fails
KEEP=false     # leave the cluster running at the end
CHILDREN=()    # processes that end with the script
TEST_LIMIT=    # seconds that a run of tests may take; without limit, if empty
DROPIN_MADE=false
INTERRUPTED=false
SUDO=(sudo -n) # asks for no password unless somebody is there to type it
SERVER_GIVEN=${PG_CONFIG:-}

#-------------------------------------------------------------------------
# Showing what happens
#-------------------------------------------------------------------------

# Sets the colour variables; they are empty where colours are not wanted.
set_colours() {
	BOLD='' DIM='' RED='' GREEN='' PLAIN=''
	if [[ -t 1 && -z ${NO_COLOR:-} && ${TERM:-dumb} != dumb ]]; then
		BOLD=$'\e[1m' DIM=$'\e[2m' RED=$'\e[31m' GREEN=$'\e[32m' PLAIN=$'\e[0m'
	fi
}

# Prints a heading.
heading() {
	printf '\n%s%s%s\n\n' "$BOLD" "$*" "$PLAIN"
}

# Prints a line below a heading.
say() {
	printf '  %s\n' "$*"
}

# Prints a line below a heading, to show that something is as it should be.
say_good() {
	printf '  %s%s%s\n' "$GREEN" "$*" "$PLAIN"
}

# Prints why the script cannot go on, and ends it.
die() {
	printf '%s%s:%s %s\n' "$RED" "$SCRIPT_NAME" "$PLAIN" "$*" >&2
	CURRENT_STEP=
	exit 1
}

# Prints the time of day in milliseconds.
now_ms() {
	local microseconds=${EPOCHREALTIME/[.,]/}
	printf '%d' $((microseconds / 1000))
}

# Prints the seconds since a time in milliseconds, with one decimal.
seconds_since() {
	local tenths=$((($(now_ms) - $1) / 100))
	printf '%d.%d' $((tenths / 10)) $((tenths % 10))
}

# Runs a command or function as a step: its output goes to the log, and one line
# tells that it is done and how long it took.  If it fails, the script ends; see
# on_exit.  Not for use in a condition: errors inside would go unnoticed there.
step() {
	local label=$1 started
	shift
	started=$(now_ms)
	CURRENT_STEP=$label
	if [[ -t 1 ]]; then
		printf '  %-46s' "$label"
	fi
	printf '\n=== %s\n' "$label" >>"$LOG"
	"$@" >>"$LOG" 2>&1 </dev/null
	CURRENT_STEP=
	if [[ -t 1 ]]; then
		printf '\r'
	fi
	printf '  %-46s%s%7s s%s\n' "$label" "$DIM" "$(seconds_since "$started")" "$PLAIN"
}

#-------------------------------------------------------------------------
# Beginning and end
#-------------------------------------------------------------------------

# Makes the temporary directory and sees to it that it goes away.
begin() {
	set_colours
	forget_callers_settings
	WORK=$(mktemp -d "${TMPDIR:-/tmp}/vendor_routing.XXXXXX")
	LOG=$(mktemp "${TMPDIR:-/tmp}/vendor_routing.log.XXXXXX")
	exec 3>&1 4>&2 # for on_exit: a step may be cut short while its output goes to the log
	trap 'on_exit $?' EXIT
	trap 'INTERRUPTED=true; exit 129' HUP
	trap 'INTERRUPTED=true; exit 130' INT
	trap 'INTERRUPTED=true; exit 143' TERM
	if [[ -t 2 ]]; then
		SUDO=(sudo)
	fi

	# The user the server runs as may not be allowed where the caller is.
	cd "$WORK"
	((${#WORK} < 80)) || die 'the path of the temporary directory is too long for a socket: set TMPDIR'
}

# Forgets variables of the caller that would send psql or make elsewhere.
forget_callers_settings() {
	local name
	for name in ${!PG@}; do
		if [[ $name != PG_CONFIG && $name != PG_MAJOR ]]; then
			unset "$name"
		fi
	done
	unset MAKEFLAGS MAKELEVEL DESTDIR
	umask 022
	export LC_ALL=C.UTF-8 PGCLIENTENCODING=UTF8
}

# Tells what failed, and leaves nothing behind.
on_exit() {
	local status=$1
	trap - EXIT
	trap '' HUP INT TERM
	set +e
	exec >&3 2>&4
	if [[ $INTERRUPTED == true ]]; then
		printf '\n%s%s: interrupted%s\n' "$RED" "$SCRIPT_NAME" "$PLAIN" >&2
	elif ((status != 0)) && [[ -n $CURRENT_STEP ]]; then
		show_failure
	fi
	if ((${#CHILDREN[@]} > 0)); then
		kill "${CHILDREN[@]}"
		wait "${CHILDREN[@]}"
	fi
	allow_clusters
	cd /
	if [[ $KEEP == true ]] && cluster_is_running; then
		show_how_to_connect
	else
		stop_cluster
		rm -rf "$WORK"
	fi
	if ((status == 0)) || [[ $INTERRUPTED == true || ! -s $LOG ]]; then
		rm -f "$LOG"
	else
		printf '\n  The full log is in %s\n' "$LOG" >&2
	fi
	if ((status != 0)) && [[ -n $ADVICE ]]; then
		status=$UNAVAILABLE
	fi
	exit "$status"
}

# Shows which step failed, and the end of the log.
show_failure() {
	printf '\n%s%s: failed:%s %s\n\n' "$RED" "$SCRIPT_NAME" "$PLAIN" "$CURRENT_STEP" >&2
	if [[ -f $WORK/server.log ]]; then
		printf '\n=== end of the log of the server\n' >>"$LOG"
		tail -n 20 "$WORK/server.log" >>"$LOG"
	fi
	tail -n 40 "$LOG" | sed 's/^/  | /' >&2
	if [[ -n $ADVICE ]]; then
		printf '\n%s\n' "$ADVICE" >&2
	fi
}

#-------------------------------------------------------------------------
# Packages
#-------------------------------------------------------------------------

# Runs a command as root.  What it leaves running must not hold our output open.
as_root() {
	if ((EUID == 0)); then
		"$@" 3>&- 4>&-
	else
		"${SUDO[@]}" "$@" 3>&- 4>&-
	fi
}

# Runs a command as the user the server runs as, which is never root.
as_user() {
	if ((EUID == 0)); then
		runuser -u "$SERVER_USER" -- env HOME="$WORK" "$@" 3>&- 4>&-
	else
		"$@" 3>&- 4>&-
	fi
}

# Finds out which major version is meant.
choose_version() {
	local version
	if [[ -n $SERVER_GIVEN ]]; then
		version=$("$PG_CONFIG" --version) || die "cannot run PG_CONFIG=$PG_CONFIG"
		version=${version#PostgreSQL }
		PG_MAJOR=${version%%[!0-9]*}
	fi
	PG_MAJOR=${PG_MAJOR:-15}
	if [[ ! $PG_MAJOR =~ ^[0-9]+$ ]] || ((PG_MAJOR < 15)); then
		die "PostgreSQL 15 or newer is needed, not $PG_MAJOR"
	fi
}

# Prints the packages that it takes to build the extension and run a server.
server_packages() {
	if [[ -z $SERVER_GIVEN ]]; then
		printf '%s\n' "postgresql-$PG_MAJOR" "postgresql-server-dev-$PG_MAJOR"
	fi
	printf '%s\n' make gcc libc6-dev
}

# Is this package here, or else what it is needed for?
have_package() {
	if [[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed ]]; then
		return 0
	fi
	case $1 in
		make) command -v make >/dev/null ;;
		gcc) command -v gcc >/dev/null && command -v cc >/dev/null ;;
		libc6-dev) [[ -e /usr/include/stdio.h ]] ;;
		libpq-dev) [[ -n $SERVER_GIVEN && -e $("$PG_CONFIG" --includedir)/libpq-fe.h ]] ;;
		*) return 1 ;;
	esac
}

# Installs those of the packages that are missing; where that cannot be done, it
# says what is missing and how to get it.
need_packages() {
	local package missing=()
	for package in "$@"; do
		have_package "$package" || missing+=("$package")
	done
	if ((${#missing[@]} == 0)); then
		return
	fi

	ADVICE=$(advise_on_packages "${missing[@]}")
	if ! command -v apt-get >/dev/null; then
		die $'packages are missing, and there is no apt-get\n\n'"$ADVICE"
	fi
	if ((EUID != 0)); then
		if ! command -v sudo >/dev/null; then
			die $'packages are missing, and there is no sudo\n\n'"$ADVICE"
		fi
		say "Installing takes root: ${missing[*]}"
		as_root true || die $'packages are missing, and sudo is not allowed\n\n'"$ADVICE"
	fi
	step 'read the lists of packages' as_root apt-get -q update
	step "install ${#missing[@]} packages and what they need" install_packages "${missing[@]}"
	ADVICE=
}

# Prints which packages are missing and the commands to get them.
advise_on_packages() {
	cat <<-END
		  Missing:  $*

		  On Debian, as root:
		    apt-get update
		    apt-get install --no-install-recommends $*

		  Another release of Debian may have another version of PostgreSQL than ${PG_MAJOR:-15}:
		  any from 15 will do, for example PG_MAJOR=17 script/$SCRIPT_NAME

		  Elsewhere: install PostgreSQL with the headers of its server and of libpq,
		  make and gcc, and set PG_CONFIG to its pg_config.
	END
}

# Installs packages, and no cluster with them.
install_packages() {
	forbid_clusters
	as_root env DEBIAN_FRONTEND=noninteractive \
		apt-get -q -y -o DPkg::Lock::Timeout=120 install --no-install-recommends "$@"
	allow_clusters
}

# Keeps the package of a server from making and starting a cluster of its own.
# Clusters that are there already are not touched.
forbid_clusters() {
	DROPIN_MADE=true
	as_root mkdir -p "${DROPIN%/*}"
	printf 'create_main_cluster = false\n' | as_root tee "$DROPIN"
}

# Takes back what forbid_clusters did.
allow_clusters() {
	if [[ $DROPIN_MADE == true ]]; then
		as_root rm -f "$DROPIN"
		as_root rmdir --ignore-fail-on-non-empty "${DROPIN%/*}"
		DROPIN_MADE=false
	fi
}

#-------------------------------------------------------------------------
# The server
#-------------------------------------------------------------------------

# Installs what is missing, and the packages given beside that, and finds the
# server to use.
find_server() {
	local packages
	choose_version
	mapfile -t packages < <(server_packages)
	need_packages "${packages[@]}" "$@"
	PG_CONFIG=${PG_CONFIG:-/usr/lib/postgresql/$PG_MAJOR/bin/pg_config}
	if ((EUID == 0)); then
		id -u "$SERVER_USER" >/dev/null 2>&1 ||
			die "the server does not run as root, and there is no user $SERVER_USER: run this as another user"
		chown "$SERVER_USER" "$WORK"
	fi
	as_user test -w "$WORK" ||
		die "the user $SERVER_USER cannot write to $WORK: set TMPDIR to a directory everybody can use"
}

# Copies the server, so that the extension can be installed without root and
# without leaving a trace.  Programs and libraries find each other by relative
# paths: the copy keeps the layout of the original.
copy_server() {
	local what directory
	for what in bindir pkglibdir sharedir pkgincludedir includedir-server; do
		directory=$("$PG_CONFIG" "--$what")
		as_user mkdir -p "$WORK/server$directory"
		as_user cp -R "$directory/." "$WORK/server$directory"
	done
	BIN=$WORK/server$("$PG_CONFIG" --bindir)
	printf 'the extension goes to %s and %s\n' \
		"$("$BIN/pg_config" --pkglibdir)" "$("$BIN/pg_config" --sharedir)"
	[[ $("$BIN/pg_config" --pkglibdir) == "$WORK"/* ]]
	[[ $("$BIN/pg_config" --sharedir) == "$WORK"/* ]]
}

# Prints the files of the source tree, each followed by a zero byte: what git
# knows or would add; without git, all but what building makes.
list_source() {
	local file
	if [[ -e $ROOT/.git ]] && git -C "$ROOT" rev-parse >/dev/null 2>&1; then
		git -C "$ROOT" ls-files -z --cached --others --exclude-standard |
			while IFS= read -r -d '' file; do
				if [[ -e $ROOT/$file ]]; then
					printf '%s\0' "$file"
				fi
			done
	else
		cd "$ROOT"
		find . -name .git -prune -o -name results -prune -o -name tmp_check -prune -o \
			-type f ! -name '*.o' ! -name '*.bc' ! -name '*.so' ! -name vr_race -print0
	fi
}

# Copies the source tree to where the build may write.
copy_source() {
	SOURCE=$WORK/source
	as_user mkdir "$SOURCE"
	(list_source) | tar -C "$ROOT" --null --no-recursion -T - -cf - | as_user tar -C "$SOURCE" -xf -
}

# Builds the extension and installs it into the copy of the server.
build_extension() {
	as_user make -s -j 2 -C "$SOURCE" PG_CONFIG="$BIN/pg_config"
	as_user make -s -C "$SOURCE" PG_CONFIG="$BIN/pg_config" install
}

# Builds the race driver.
build_race() {
	as_user make -s -C "$SOURCE/test/race" PG_CONFIG="$PG_CONFIG"
}

#-------------------------------------------------------------------------
# The cluster
#-------------------------------------------------------------------------

# Makes a cluster and starts it.  It listens on a socket in the temporary
# directory, where nobody else can get at it, and nowhere else.  Writes are as
# durable as in production: what is measured here is not flattered.
start_cluster() {
	local conf=$WORK/data/postgresql.conf
	as_user mkdir -m 700 "$WORK/socket"
	as_user "$BIN/initdb" --pgdata="$WORK/data" --username=postgres --auth=trust \
		--no-locale --encoding=UTF8 --no-sync --no-instructions
	as_user tee -a "$conf" <<-END
		listen_addresses = ''
		unix_socket_directories = '$WORK/socket'
		port = 54320
		max_connections = 300
		max_prepared_transactions = 20
		shared_buffers = 128MB
		max_wal_size = 2GB
	END
	as_user "$BIN/pg_ctl" --pgdata="$WORK/data" --log="$WORK/server.log" --wait --timeout=60 start
	export PGHOST=$WORK/socket PGPORT=54320 PGUSER=postgres PGDATABASE=postgres
}

# Is our cluster up?
cluster_is_running() {
	[[ -n $BIN && -f $WORK/data/postmaster.pid ]]
}

# Stops our cluster, if it is up.  Its data are about to go away.
stop_cluster() {
	if cluster_is_running; then
		as_user "$BIN/pg_ctl" --pgdata="$WORK/data" --mode=immediate --wait stop >/dev/null
	fi
}

# Tells how to use the cluster that is left running, and how to be rid of it.
show_how_to_connect() {
	local become=
	if ((EUID == 0)); then
		become="runuser -u $SERVER_USER -- "
	fi
	heading 'The cluster is still running'
	say 'Connect:'
	say "  $become$BIN/psql -h $PGHOST -p $PGPORT -U postgres -d $PGDATABASE"
	say 'Stop and remove:'
	say "  $become$BIN/pg_ctl -D $WORK/data stop && rm -rf $WORK"
}

# Runs psql in the cluster; the first error ends it.
run_psql() {
	as_user "$BIN/psql" --no-psqlrc --quiet --set=ON_ERROR_STOP=1 "$@"
}

# Prints the one value a query returns.
query_value() {
	run_psql --tuples-only --no-align --command="$1"
}

# Prints the result of a query as a table, indented.
query_table() {
	run_psql --pset=footer=off --command="$1" | sed -e '/^$/d' -e 's/^/  /'
}

#-------------------------------------------------------------------------
# Tests
#-------------------------------------------------------------------------

# Runs tests in the cluster as the server's user, for TEST_LIMIT seconds at most, if that
# is set.
run_limited() {
	local limit=()
	[[ -z $TEST_LIMIT ]] || limit=(timeout --kill-after=5 "$TEST_LIMIT")
	as_user "${limit[@]}" env PATH="$BIN:$PATH" "$@"
}

# Runs one kind of test of make installcheck: the caller sets the others to nothing.
installcheck() {
	run_limited make -C "$SOURCE" PG_CONFIG="$BIN/pg_config" installcheck "$@"
}

# Runs pgTAP tests, in a new database.
run_pgtap() {
	run_psql --command='DROP DATABASE IF EXISTS pgtap' --command='CREATE DATABASE pgtap'
	run_psql --dbname=pgtap --command='CREATE EXTENSION vendor_routing' \
		--command='CREATE EXTENSION pgtap'
	run_limited pg_prove --dbname=pgtap "$@"
}
