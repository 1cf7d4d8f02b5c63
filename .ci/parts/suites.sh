# The two commands of the README, and the suite on the oldest dependencies.
# shellcheck shell=bash disable=SC2154 # run sets work and python

readme_line() { # readme_line N: the one line of the README's Nth fenced block
    awk -v n="$1" '/^```/ { if (open) { open = 0 } else { open = 1; block++ } next } open && block == n' README.md
}

make_user() {
    venv user
    install user -e ".[test]"
}

part readme "the README's first line, in an empty environment: it prints the score"
part_readme() {
    local score
    step "README line 1, in an empty environment: $(readme_line 1)"
    venv user
    score=$(inside user bash -c "$(readme_line 1)" | tail -n 1)
    echo "$score"
    test "$score" = "Score: 0.8052"
}

part suite "the README's second line: the whole suite on the newest dependencies, with its coverage"
part_suite() {
    step "README line 2: $(readme_line 2)"
    [ -d "$work/user" ] || venv user
    install user pytest-cov
    inside user env COVERAGE_FILE="$work/coverage" PYTEST_ADDOPTS="--junitxml=$work/ran/readme.xml --cov --cov-report=" \
        bash -c "$(readme_line 2)"
    # on other systems more tests are skipped
    [ "$(uname)" != Linux ] ||
        inside user env COVERAGE_FILE="$work/coverage" coverage report --skip-covered --fail-under=95
    slowest "$work/ran/readme.xml"
}

part root "as root, the tests that need root; nothing to do where CI itself is root"
part_root() { # where CI is root, the tests of file permissions run as the user nobody
    [ "${#as_root[@]}" != 0 ] || return 0
    step "as root, the tests that need root: mount small disks, hide /proc"
    needs user
    "${as_root[@]}" "$work/user/bin/python" -m pytest -q -p no:cacheprovider --junitxml="$work/ran/root.xml" \
        tests/hub/test_faults.py tests/corpus/test_workspace.py tests/promises/test_platforms.py -k "disk or proc"
}

oldest_versions() { # oldest_versions NAME EXTRA...: an environment with the oldest allowed versions
    local name=$1 extras=(--extra test) extra
    shift
    for extra in "$@"; do extras+=(--extra "$extra"); done
    venv "$name"
    with_uv pip compile -q --resolution lowest-direct --only-binary :all: --no-binary hnswlib \
        "${extras[@]}" --python "$work/$name/bin/python" pyproject.toml -o "$work/$name.txt"
    install "$name" -r "$work/$name.txt"
    install "$name" --no-deps -e .
}

part oldest "the suite on the oldest dependencies that pyproject.toml allows"
part_oldest() {
    step "the suite on the oldest dependencies that pyproject.toml allows; the other steps use the newest"
    oldest_versions oldest
    # a part of the volume: what depends on versions shows in few cases; and not what is minilm's and numpy's alone
    local alone=(tests/check tests/cli/test_check.py tests/server/test_load.py tests/test__pipeline.py tests/text/test_prefix.py)
    alone+=(tests/corpus/test_{dedupe,identity,job,manifest,workspace}.py tests/documents/test_known.py)
    alone+=(tests/promises/test_{docs,faults,fuzz,invariance,leaks,other_systems,platforms,ties}.py)
    MINILM_EXAMPLES=2000 MINILM_CASES=4000 MINILM_KILLS=2 MINILM_PAIRS=2 MINILM_INDICES=600 MINILM_FLIPS=120 \
        MINILM_FAULT_CALLS=10 suite oldest oldest "${alone[@]/#/--ignore=}" \
        -W "ignore:unclosed <socket:ResourceWarning" # older clients leave some to the collector
}

part frameworks "the adapters and the engine ray on the oldest frameworks"
part_frameworks() {
    step "the adapters and the engine ray on the oldest frameworks"
    programs g++ # for hnswlib
    oldest_versions frameworks integrations ray # Spark and Dask are tested by hand: see docs/testing.md
    # what Ray does with signals and machines takes minutes, and runs on the newest
    suite frameworks frameworks tests/integrations tests/corpus/ray --ignore=tests/corpus/ray/test_cluster.py \
        --ignore=tests/corpus/ray/test_machines.py
}
