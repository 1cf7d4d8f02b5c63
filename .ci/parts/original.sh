# The comparison with the original, and what needs its environment: torch, the frameworks, other implementations.
# shellcheck shell=bash disable=SC2154 # run sets work and python

make_golden() {
    programs g++ # for hnswlib
    venv golden
    inside golden pip install -q torch==2.13.0 # by pip, which may be set to find one without CUDA
    install golden -e ".[golden,integrations,clusters,peers]"
}

part original "the environment of the original, which others share"
part_original() {
    step "the environment of the original: torch, sentence-transformers, frameworks"
    needs golden
}

part parity "the original: sentence-transformers call by call, random networks against BertModel, the adapters' table"
part_parity() {
    step "the original: sentence-transformers call by call, and random networks against BertModel"
    needs golden
    MINILM_DIFFERENCES="$work/differences.json" suite parity golden tests/parity
    test -s "$work/differences.json"
    inside golden python -m benchmarks.exactness --quick
    # one row per adapter, and one per package that runs on minilm unchanged
    inside golden python -m benchmarks.integrations --quick --without llm
    inside golden python -m benchmarks.unchanged --quick
}

part integrations "the adapters, the engine ray and every example in README and docs/, in the frameworks"
part_integrations() {
    step "the adapters, the engine ray and every example in README and docs/, in the frameworks"
    programs curl javac
    pgvector
    needs golden
    local both=(tests/corpus/test_paths.py tests/corpus/test_values.py tests/promises/test_docs.py)
    both+=(tests/promises/test_surroundings.py tests/documents/test_remote.py tests/test_quantization.py)
    # faiss, polars, duckdb and moto are here only; what needs none of them has passed in the suite
    : >"$work/passed"
    [ ! -e "$work/ran/readme.xml" ] || "$python" .ci/passed.py "$work/ran/readme.xml" "${both[@]}" >"$work/passed"
    suite integrations golden tests/integrations tests/corpus/ray "${both[@]}" "@$work/passed"
}

part llm "the plugin of llm"
part_llm() {
    step "the plugin of llm, which needs another version of openai than semantic-router"
    needs golden
    venv llm
    install llm -e ".[llm,test]"
    # the original comes from the other environment, after this one's own packages
    echo "$work"/golden/lib/python*/site-packages >"$(echo "$work"/llm/lib/python*/site-packages)/golden.pth"
    inside llm python -m benchmarks.integrations --quick --only llm
    suite llm llm tests/integrations/test_llm.py tests/integrations/test_without_torch.py tests/promises/test_docs.py -k llm
}

part golden "the golden outputs, generated again and compared"
part_golden() {
    step "the golden outputs, generated again"
    needs golden
    inside golden python -m tests.parity.make_golden --check
    inside golden python -m tests.parity.make_golden_onnxruntime --check
}

part check "minilm check: other implementations, and real faults"
part_check() {
    step "minilm check: other implementations, and real faults"
    programs node npm
    needs golden
    install golden -e ".[implementations]"
    # without scripts: its own fetches CUDA
    npm install --silent --prefix "$work/node" --ignore-scripts @huggingface/transformers@4.3.2
    # the texts are short: more threads of torch would wait for one another
    OMP_NUM_THREADS=1 MINILM_NODE="$work/node" suite check golden tests/check/test_implementations.py
}
