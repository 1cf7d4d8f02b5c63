"""The JDK's own client, which LangChain4j and Spring AI use, and curl: both offer HTTP/2 by an upgrade."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from minilm import MiniLM
from tests.serving import BOUND, Server

PROGRAM = Path(__file__).with_name("Java.java")


@pytest.mark.skipif(shutil.which("javac") is None, reason="no JDK is installed")
def test_java_loses_no_body(server: Server, model: MiniLM) -> None:
    large = ["a few words" + " " * 1000] * 100  # an argument holds 128 KiB at most
    texts = [["a"], ["A girl is styling her hair.", "two"], large, ["the same connection"]]
    bodies = [json.dumps({"input": group}) for group in texts]
    command = ["java", str(PROGRAM), f"{server.url}/v1/embeddings", *bodies]
    printed = subprocess.run(command, capture_output=True, check=True, text=True, encoding="utf-8").stdout
    for line, group in zip(printed.splitlines(), texts, strict=True):
        version, status, body = line.split(" ", 2)
        assert (version, status) == ("HTTP_1_1", "200")
        vectors = [item["embedding"] for item in json.loads(body)["data"]]
        np.testing.assert_allclose(vectors, model.encode(group), rtol=0, atol=BOUND)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_that_offers_http_2(server: Server, model: MiniLM) -> None:
    command = ["curl", "-sS", "--http2", f"{server.url}/embed", "--json", '{"inputs": "a"}']
    printed = subprocess.run(command, capture_output=True, check=True, text=True, encoding="utf-8").stdout
    np.testing.assert_allclose(json.loads(printed), model.encode(["a"]), rtol=0, atol=BOUND)
