"""minilm: the sentence encoder all-MiniLM-L6-v2, from scratch in numpy.

>>> from minilm import MiniLM
>>> model = MiniLM()
>>> embeddings = model.encode(["How do I reset my password?", "I forgot my login credentials."])
>>> embeddings.shape
(2, 384)
"""

from minilm.config import ModelConfig
from minilm.cross_encoder import CrossEncoder
from minilm.documents.documents import Documents
from minilm.errors import (
    CheckpointError,
    CheckpointNotFoundError,
    CheckpointWarning,
    CorpusError,
    MiniLMError,
    TruncationWarning,
)
from minilm.explanation import Explanation
from minilm.model import MiniLM
from minilm.multi_vector_encoder import MultiVectorEncoder
from minilm.search import semantic_search
from minilm.similarity import cos_sim, dot_score
from minilm.sparse_encoder import SparseEmbeddings, SparseEncoder
from minilm.text.pieces import Piece, split

__version__ = "0.1.0"

__all__ = [
    "CheckpointError",
    "CheckpointNotFoundError",
    "CheckpointWarning",
    "CorpusError",
    "CrossEncoder",
    "Documents",
    "Explanation",
    "MiniLM",
    "MiniLMError",
    "ModelConfig",
    "MultiVectorEncoder",
    "Piece",
    "SparseEmbeddings",
    "SparseEncoder",
    "TruncationWarning",
    "__version__",
    "cos_sim",
    "dot_score",
    "semantic_search",
    "split",
]
