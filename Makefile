.PHONY: install test lint format parity golden bench notebooks docs fuzz long mutants picture build clean

install:  ## everything to work on minilm
	pip install -e ".[dev]"

test:  ## the whole suite
	pytest

lint:  ## format, lint, import contracts and types, as CI checks them
	ruff format --check .
	ruff check .
	lint-imports
	mypy

format:  ## put the code into the form that lint asks for
	ruff format .
	ruff check --fix .

parity:  ## the tables of errors and differences against the original; needs the extra "golden"
	python -m benchmarks.exactness
	MINILM_DIFFERENCES=benchmarks/results/parity.json pytest -q tests/parity
	python -m benchmarks.report

golden:  ## make the golden outputs again; needs the extra "golden"
	python -m tests.parity.make_golden
	python -m tests.parity.make_golden_onnxruntime

bench:  ## speed against the peers, and the README's picture; needs the extra "bench"
	python -m benchmarks.throughput
	python -m benchmarks.latency
	python -m benchmarks.cold_start
	python -m benchmarks.scaling
	python -m benchmarks.floor
	python -m benchmarks.ablation
	python -m benchmarks.load
	python -m benchmarks.corpus
	python -m benchmarks.corpus_memory
	python -m benchmarks.plot
	python -m benchmarks.report

notebooks:  ## execute the notebooks in place, with their outputs; needs the extra "notebooks"
	python -m tests.promises.execute_notebooks

fuzz:  ## each fuzz target for a minute, guided by coverage; needs the extra "fuzz"
	python -m fuzz.run encode -max_total_time=60
	python -m fuzz.run checkpoint -max_total_time=60
	python -m fuzz.run http_body -max_total_time=60

long:  ## what CI tries a few times, as often as CONTRIBUTING.md says under "Long runs"
	MINILM_KILLS=200 pytest -q -k killed tests/corpus/test_job.py
	MINILM_KILLS=100 MINILM_PAIRS=50 pytest -q -k "killed or two_processes" tests/hub/test_faults.py
	MINILM_FAULT_CALLS=1800 pytest -q -k eight_threads tests/promises/test_faults.py
	MINILM_LEAK_CALLS=10000 MINILM_LEAK_REQUESTS=100000 pytest -q tests/promises/test_leaks.py
	MINILM_CASES=500000 pytest -q -k thousands tests/promises/test_hostile_text.py
	MINILM_INDICES=8000 pytest -q -k damaged_index tests/corpus/test_index.py

mutants:  ## the encoder and hub/ with a mistake at a time, which the tests must notice; needs the extra "mutation"
	OPENBLAS_NUM_THREADS=1 MINILM_KILLS=1 MINILM_PAIRS=1 mutmut run
	mutmut results

picture:  ## the README's picture of the page; needs chromium
	MINILM_SCREENSHOT=docs/page.png pytest tests/server/test_page.py -k shows_the_score

docs:  ## the documentation, into site/; needs the extra "docs"
	NO_MKDOCS_2_WARNING=1 mkdocs build

build:  ## wheel and sdist
	python -m build

clean:
	rm -rf build dist mutants site *.egg-info .import_linter_cache .mypy_cache .pytest_cache .ruff_cache .hypothesis
