.PHONY: install test lint format parity golden bench notebooks picture build clean

install:  ## everything to work on minilm
	pip install -e ".[dev]"

test:  ## the whole suite
	pytest

lint:  ## format, lint and types, as CI checks them
	ruff format --check .
	ruff check .
	mypy

format:  ## put the code into the form that lint asks for
	ruff format .
	ruff check --fix .

parity:  ## the README's table of errors against the original
	python -m benchmarks.exactness

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
	python -m benchmarks.plot

notebooks:  ## execute the notebooks in place, with their outputs; needs the extra "notebooks"
	python -m tests.execute_notebooks

picture:  ## the README's picture of the page; needs chromium
	MINILM_SCREENSHOT=docs/page.png pytest tests/test_page.py -k shows_the_score

build:  ## wheel and sdist
	python -m build

clean:
	rm -rf build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
