"""The configuration of a sentence encoder, as one frozen dataclass.

all-MiniLM-L6-v2 is a small BERT. Its 12 layers learned to attend as a larger model does ([1]_, section 3).
Every second layer was kept, and these six were trained on pairs of sentences ([2]_, section 3).
:func:`minilm.checkpoint.config.read_config` makes the configuration from a checkpoint's JSON files.

References
----------
.. [1] Wang et al. 2020, "MiniLM", https://arxiv.org/abs/2002.10957
.. [2] Reimers and Gurevych 2019, "Sentence-BERT", https://arxiv.org/abs/1908.10084
"""

from __future__ import annotations

from dataclasses import dataclass

from minilm.pooling import Pooling


@dataclass(frozen=True)
class ModelConfig:
    """The shape of BERT or a neighbour of it, and the steps that turn its output into one embedding.

    The names are those of Hugging Face's ``config.json``. The fields after ``hidden_act`` come from the
    files of sentence-transformers beside it.

    Examples
    --------
    >>> config = ModelConfig(
    ...     vocab_size=30522, hidden_size=384, num_hidden_layers=6, num_attention_heads=12,
    ...     intermediate_size=1536, max_position_embeddings=512, type_vocab_size=2, layer_norm_eps=1e-12,
    ... )
    >>> config.head_size
    32
    """

    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    max_position_embeddings: int
    type_vocab_size: int
    layer_norm_eps: float
    hidden_act: str = "gelu"
    max_seq_length: int = 256
    # Several poolings are concatenated. A cross-encoder has none.
    pooling: tuple[Pooling, ...] = ("mean",)
    dense: tuple[str, ...] = ()  # folders of the Dense modules between pooling and normalization
    normalize: bool = True
    do_lower_case: bool = False  # lower-case texts before the tokenizer reads them
    model_type: str = "bert"  # the family: see variants.py
    padding_idx: int | None = None  # positions are counted from the next one on; None: from 0

    @property
    def longest_input(self) -> int:
        """The most tokens that one text may have: the rows of the position table that tokens take."""
        return self.max_position_embeddings - (0 if self.padding_idx is None else self.padding_idx + 1)

    @property
    def head_size(self) -> int:
        """Width of one attention head: ``hidden_size / num_attention_heads``."""
        return self.hidden_size // self.num_attention_heads
