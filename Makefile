.PHONY: install fast test lint format parity golden bench notebooks docs fuzz long mutants picture build clean

install:  ## install minilm with all that its development needs
	pip install -e ".[dev]"

fast:  ## run the quick tests: the layout, the story from text to score, checkpoints
	pytest -q minilm tests/*.py tests/checkpoint tests/text

test:  ## run the whole suite
	pytest

# codespell reads what git tracks, for fuzzing leaves its inputs in the checkout
lint:  ## check format, lint, spelling, import contracts, types, shell scripts and workflows, as CI does
	ruff format --check .
	ruff check .
	git ls-files -z | xargs -0 codespell
	lint-imports
	mypy
	shellcheck -x .ci/run .ci/renew
	zizmor --offline --no-progress --quiet .github

format:  ## format the code, and fix what ruff can fix
	ruff format .
	ruff check --fix .

parity:  ## compare with the original, and fill its tables in docs/; needs the extras "golden", "integrations" and "peers"
	python -m benchmarks.exactness
	MINILM_DIFFERENCES=benchmarks/results/parity.json pytest -q tests/parity
	python -m benchmarks.integrations
	python -m benchmarks.report

golden:  ## generate the golden outputs; needs the extra "golden"
	python -m tests.parity.make_golden
	python -m tests.parity.make_golden_onnxruntime
	python -m tests.parity.make_notebook_references

bench:  ## measure the speed against the peers, and draw the README's plot; needs the extra "bench"
	python -m benchmarks.throughput
	python -m benchmarks.latency
	python -m benchmarks.cold_start
	python -m benchmarks.scaling
	python -m benchmarks.floor
	python -m benchmarks.ablation
	python -m benchmarks.load
	python -m benchmarks.corpus
	python -m benchmarks.corpus_memory
	python -m benchmarks.search
	python -m benchmarks.documents
	python -m benchmarks.plot
	python -m benchmarks.report

notebooks:  ## execute the notebooks in place; needs the extra "notebooks"
	python -m tests.promises.execute_notebooks

fuzz:  ## coverage-guided fuzzing, one minute per target; needs the extra "fuzz"
	python -m fuzz.run encode -max_total_time=60
	python -m fuzz.run checkpoint -max_total_time=60
	python -m fuzz.run http_body -max_total_time=60

long:  ## repeat hundreds of times what CI tries a few times; see "Long runs" in docs/testing.md
	MINILM_KILLS=200 pytest -q -k killed tests/corpus/test_job.py
	MINILM_KILLS=100 pytest -q -k killed tests/documents/test_update.py
	MINILM_KILLS=100 MINILM_PAIRS=50 pytest -q -k "killed or two_processes" tests/hub/test_faults.py
	MINILM_FAULT_CALLS=1800 pytest -q -k eight_threads tests/promises/test_faults.py
	MINILM_LEAK_CALLS=10000 MINILM_LEAK_REQUESTS=100000 pytest -q tests/promises/test_leaks.py
	MINILM_CASES=500000 pytest -q -k thousands tests/promises/test_hostile_text.py
	pytest -q -m hypothesis --hypothesis-profile=search
	MINILM_EXAMPLES=20000 pytest -q --hypothesis-profile=search -k any_ tests/promises/test_hostile_text.py
	MINILM_INDICES=8000 pytest -q -k damaged_index tests/corpus/test_index.py

mutants:  ## mutation testing of the encoder and hub/; needs the extra "mutation"
	OPENBLAS_NUM_THREADS=1 MINILM_KILLS=1 MINILM_PAIRS=1 mutmut run
	mutmut results

picture:  ## take the README's picture of the page; needs chromium
	MINILM_SCREENSHOT=docs/page.png pytest tests/server/page/test_two.py -k shows_the_score

docs:  ## build the documentation into site/; needs the extra "docs"
	NO_MKDOCS_2_WARNING=1 mkdocs build

build:  ## build the wheel and the sdist
	python -m build

clean:
	rm -rf build dist mutants site *.egg-info .import_linter_cache .mypy_cache .pytest_cache .ruff_cache .hypothesis
