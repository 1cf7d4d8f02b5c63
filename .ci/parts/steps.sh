# What the parts are made of: steps with their seconds, virtual environments, programs, suites, two streams.
# shellcheck shell=bash disable=SC2154 # run sets work and python

step_name=
step_start=0
streams=0 # how many run beside this one

step() { # step WORDS...: the next step begins; the log says how long the last one took
    step_done
    step_name=$*
    step_start=$SECONDS
    printf '\n=== %s\n' "$*"
}

step_done() {
    [ -z "$step_name" ] || printf -- '--- %5d s: %s\n' $((SECONDS - step_start)) "$step_name" | tee -a "$work/seconds"
    step_name=
}

run_parts() {
    local name
    for name in "$@"; do
        "part_$name"
    done
    step_done
}

at_the_end() { # whatever happened: end the other stream and print what it said, then the seconds of each step
    local name
    step_done
    for name in "$work"/*.pid; do
        [ -e "$name" ] || continue
        kill "$(cat "$name")" 2>/dev/null || true
        printf '\n=== the other stream, which was not waited for\n'
        cat "${name%.pid}.log"
    done
    if [ -e "$work/seconds" ]; then
        printf '\n=== %d s; by step, longest first\n' "$SECONDS"
        sort -k2nr "$work/seconds"
    fi
    rm -rf "$work"
}

venv() { # venv NAME: a new, empty virtual environment
    "$python" -m venv "$work/$1"
}

needs() { # needs NAME...: the environments NAME, which functions make_NAME make unless a former part has
    local name
    for name in "$@"; do
        [ -d "$work/$name" ] || "make_$name"
    done
}

inside() { # inside NAME COMMAND...: run a command in that environment
    (
        folder=$work/$1/bin
        [ -d "$folder" ] || folder=$work/$1/Scripts # on Windows
        # shellcheck disable=SC1091
        source "$folder/activate"
        shift
        "$@"
    )
}

suite() { # suite NAME ENVIRONMENT ARGUMENT...: run pytest, and record what ran and what was skipped
    local record=$work/ran/$1.xml environment=$2 folder=$work/t/$1
    shift 2
    mkdir -p "$work/t"
    # a folder for each: it goes with $work, while the common one keeps those of the last three runs
    inside "$environment" pytest -q --basetemp="$folder" --junitxml="$record" "$@"
    slowest "$record"
}

slowest() { # slowest RECORD: the test files that took longest
    "$python" .ci/slowest.py "$1"
}

beside() { # beside NAME COMMAND...: run a command while the next steps run; joined NAME prints and judges it
    local name=$1
    shift
    step_done
    streams=1
    (
        trap - EXIT
        "$@"
    ) >"$work/$name.log" 2>&1 &
    echo $! >"$work/$name.pid"
}

joined() {
    local result=0
    step_done
    wait "$(cat "$work/$1.pid")" || result=$?
    rm "$work/$1.pid"
    cat "$work/$1.log"
    streams=0
    return "$result"
}

as_root=()
if [ "$(id -u)" != 0 ] && command -v sudo >/dev/null; then
    as_root=(sudo)
fi

package_of() { # package_of COMMAND: the package that brings it
    case $1 in
        javac) echo default-jdk-headless ;;
        systemd-analyze) echo systemd ;;
        nginx) echo nginx-light ;;
        node) echo nodejs ;;
        *) echo "$1" ;;
    esac
}

programs() { # programs COMMAND...: install what is missing with apt; without apt, tests that need it are skipped
    local command lacking=() packages=()
    for command in "$@"; do
        command -v "$command" >/dev/null || lacking+=("$command")
    done
    [ "${#lacking[@]}" != 0 ] || return 0
    if ! command -v apt-get >/dev/null; then
        echo "not on this machine, which has no apt: ${lacking[*]}"
        return 0
    fi
    for command in "${lacking[@]}"; do
        packages+=("$(package_of "$command")")
    done
    from_apt "${packages[@]}"
}

pgvector() { # Postgres and its extension where apt has both; elsewhere the tests take pip's
    local lists=/var/lib/apt/lists package
    compgen -G "/usr/share/postgresql/*/extension/vector.control" >/dev/null && return 0
    command -v apt-get >/dev/null || return 0
    # a new container has no lists
    compgen -G "$lists/*_Packages*" >/dev/null || "${as_root[@]}" apt-get update -q
    package=$(apt-cache pkgnames postgresql- | grep -E '^postgresql-[0-9]+-pgvector$' | sort -V | tail -n 1) || true
    [ -z "$package" ] || from_apt "$package"
}

from_apt() { # from_apt PACKAGE...: install them
    if [ "$streams" != 0 ]; then
        echo "$*: to be installed before two streams run, not beside tests"
        return 1
    fi
    export DEBIAN_FRONTEND=noninteractive
    "${as_root[@]}" dpkg --configure -a # finish an interrupted installation
    "${as_root[@]}" apt-get update -q
    "${as_root[@]}" apt-get install -q -y --no-install-recommends "$@"
}

make_tools() { # what checks and installs, apart from what is checked
    venv tools
    inside tools pip install -q pip-audit twine uv
}

with_uv() { # with_uv ARGUMENT...: uv, at the index of packages that pip's configuration names
    local index
    needs tools
    index=$(inside tools pip config get global.index-url 2>/dev/null || true) # uv does not read it
    inside tools env ${index:+UV_DEFAULT_INDEX="$index"} uv "$@"
}

install() { # install NAME ARGUMENT...: what pip install does, by uv, which takes a tenth of the time
    local name=$1
    shift
    with_uv pip install -q --python "$work/$name" "$@" ||
        inside "$name" pip install -q "$@" # pip may be set to find packages where uv does not look
}

make_dev() {
    venv dev
    install dev -c .ci/constraints.txt -e ".[dev]"
}
