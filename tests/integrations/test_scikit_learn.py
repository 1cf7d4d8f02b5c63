"""minilm/integrations/scikit_learn.py in the real framework: the same vectors, as it requires them."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest

from minilm import MiniLM
from tests.checkpoints import MakeCheckpoint
from tests.integrations.texts import TEXTS, close

# the frameworks' own warnings while they are imported are not ours
pytestmark = pytest.mark.filterwarnings("ignore")


API_CHECKS = [
    "check_estimator_cloneable",
    "check_estimator_repr",
    "check_estimator_tags_renamed",
    "check_do_not_raise_errors_in_init_or_set_param",
    "check_get_params_invariance",
    "check_mixin_order",
    "check_no_attributes_set_in_init",
    "check_parameters_default_constructible",
    "check_set_params",
    "check_valid_tag_types",
]


@pytest.mark.parametrize("name", API_CHECKS)
def test_scikit_learns_own_checks(name: str) -> None:
    """Those that feed no numbers: scikit-learn itself has no others for what takes text."""
    checks = pytest.importorskip("sklearn.utils.estimator_checks", reason="scikit-learn is not installed")
    from minilm.integrations.scikit_learn import MiniLMVectorizer

    check = getattr(checks, name, None) or getattr(checks, f"{name}s", None)
    if check is None:
        pytest.skip(f"this version of scikit-learn has no {name}")
    check("MiniLMVectorizer", MiniLMVectorizer())


def test_scikit_learn(model: MiniLM) -> None:
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    from sklearn.base import clone
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.utils.validation import check_is_fitted

    from minilm.integrations.models import as_model
    from minilm.integrations.scikit_learn import MiniLMVectorizer

    ours = MiniLMVectorizer()
    check_is_fitted(ours)
    close(ours.fit_transform(TEXTS), model.encode(TEXTS))
    close(clone(ours).transform(np.array(TEXTS)), model.encode(TEXTS))
    assert ours.get_feature_names_out()[-1] == "minilm383"
    short = MiniLMVectorizer(truncate_dim=16, normalize_embeddings=True, prompt="query: ")
    expected = model.encode(TEXTS, truncate_dim=16, normalize_embeddings=True, prompt="query: ")
    close(short.transform(TEXTS), expected)
    assert len(short.get_feature_names_out()) == 16
    assert len(pickle.dumps(make_pipeline(ours))) < 10_000  # parameters, not 87 MiB of weights
    close(pickle.loads(pickle.dumps(ours)).transform(TEXTS), model.encode(TEXTS))
    assert as_model(ours.model_name_or_path) is as_model(clone(ours).model_name_or_path)
    with pytest.raises(ValueError, match="not a single str"):
        ours.transform("one text")
    with pytest.raises(TypeError, match=r"inputs\[1\] is missing"):
        ours.transform(["a", None])  # type: ignore[list-item]

    pipeline = make_pipeline(MiniLMVectorizer(), LogisticRegression(C=10))
    texts, topics = [text for text, _ in CLASSIFIED], [topic for _, topic in CLASSIFIED]
    # 40 sentences, 4 topics; letters and word counts say little about them, so chance is a quarter
    assert cross_val_score(pipeline, texts, topics, cv=5).mean() > 0.85
    search = GridSearchCV(pipeline, {"minilmvectorizer__truncate_dim": [4, None]}, cv=5)
    search.fit(texts, topics)
    assert search.best_params_ == {"minilmvectorizer__truncate_dim": None}
    assert search.predict(["The goalkeeper saved a penalty"]).tolist() == ["sport"]


CLASSIFIED = [
    *(
        (text, "cooking")
        for text in (
            "Simmer the onions until they are soft.",
            "Add a pinch of salt to the dough.",
            "The bread comes out of the oven at noon.",
            "Whisk two eggs with a little milk.",
            "She sliced the carrots for the soup.",
            "Let the rice steam for ten minutes.",
            "A good stock needs bones and patience.",
            "He burnt the pancakes again.",
            "Grate some cheese over the pasta.",
            "The sauce tastes of garlic and lemon.",
        )
    ),
    *(
        (text, "astronomy")
        for text in (
            "The comet passed behind the sun.",
            "Saturn's rings are made of ice.",
            "A new telescope looks at distant galaxies.",
            "The Moon will be full on Friday.",
            "Mars has two small satellites.",
            "The star collapsed into a black hole.",
            "We watched the meteor shower all night.",
            "Jupiter is larger than all other planets.",
            "The eclipse lasted four minutes.",
            "Astronauts repaired the space station.",
        )
    ),
    *(
        (text, "sport")
        for text in (
            "The striker scored in the last minute.",
            "She won the marathon by a second.",
            "Their team lost the final on penalties.",
            "He trains at the pool every morning.",
            "The referee showed a red card.",
            "A serve like hers is hard to return.",
            "They play basketball on Thursdays.",
            "The champion defended her title.",
            "Our coach changed the defence at half-time.",
            "The cyclists climbed the pass in the rain.",
        )
    ),
    *(
        (text, "money")
        for text in (
            "The bank raised its interest rates.",
            "Shares fell after the report.",
            "He pays off his mortgage in spring.",
            "Inflation ate up their savings.",
            "The company doubled its dividend.",
            "She asked the accountant about taxes.",
            "An invoice is due in thirty days.",
            "The currency lost a tenth of its value.",
            "Investors sold bonds all week.",
            "Their budget leaves nothing for loans.",
        )
    ),
]


def test_a_column_may_be_a_frame(make_checkpoint: MakeCheckpoint) -> None:
    compose = pytest.importorskip("sklearn.compose", reason="scikit-learn is not installed")
    from minilm.integrations.scikit_learn import MiniLMVectorizer

    directory = make_checkpoint()
    vectorizer = MiniLMVectorizer(directory)
    frame = pd.DataFrame({"text": ["a b", "c"], "n": [1, 2]})
    expected = MiniLM(directory).encode(["a b", "c"])
    for column in (frame["text"], frame[["text"]], frame[["text"]].values):
        close(vectorizer.transform(column), expected)
    for columns in ("text", ["text"]):
        transformer = compose.ColumnTransformer([("text", vectorizer, columns)])
        close(transformer.fit_transform(frame), expected)
    with pytest.raises(ValueError, match=r"X must have one column of texts, not 2: pass df\['text'\]"):
        vectorizer.transform(frame)
    with pytest.raises(AttributeError, match="has no attribute 'batchsize'; did you mean 'batch_size'"):
        vectorizer.batchsize = 3


def test_names_of_features_reach_frames_and_pipelines(make_checkpoint: MakeCheckpoint) -> None:
    compose = pytest.importorskip("sklearn.compose", reason="scikit-learn is not installed")
    from sklearn.decomposition import PCA
    from sklearn.pipeline import make_pipeline, make_union

    from minilm.integrations.scikit_learn import MiniLMVectorizer

    directory = make_checkpoint()
    frame = pd.DataFrame({"text": ["a b", "c", "b"], "n": [1, 2, 3]}, index=[7, 3, 5])
    vectorizer = MiniLMVectorizer(directory, truncate_dim=3)
    expected = MiniLM(directory).encode(frame["text"], truncate_dim=3)
    embedded = vectorizer.set_output(transform="pandas").fit_transform(frame[["text"]])
    assert embedded.columns.tolist() == ["minilm0", "minilm1", "minilm2"]
    assert embedded.index.tolist() == [7, 3, 5]
    close(embedded, expected)
    columns = compose.ColumnTransformer([("words", vectorizer, "text"), ("rest", "passthrough", ["n"])])
    columns.set_output(transform="default").fit(frame)
    names = ["words__minilm0", "words__minilm1", "words__minilm2", "rest__n"]
    assert columns.get_feature_names_out().tolist() == names
    both = make_union(vectorizer, MiniLMVectorizer(directory, truncate_dim=1)).fit(frame["text"])
    assert both.get_feature_names_out().tolist()[-1] == "minilmvectorizer-2__minilm0"
    pipeline = make_pipeline(vectorizer, PCA(2)).fit(frame["text"])
    assert pipeline.get_feature_names_out().tolist() == ["pca0", "pca1"]
    assert pipeline[:1].get_feature_names_out().tolist() == ["minilm0", "minilm1", "minilm2"]


def test_metadata_is_routed_past_it(make_checkpoint: MakeCheckpoint) -> None:
    sklearn = pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    from minilm.integrations.scikit_learn import MiniLMVectorizer

    directory = make_checkpoint()
    texts, topics, weights = ["a b", "b c", "c", "a"], [0, 0, 1, 1], np.array([1.0, 4.0, 2.0, 1.0])
    with sklearn.config_context(enable_metadata_routing=True):
        classifier = LogisticRegression().set_fit_request(sample_weight=True)
        pipeline = make_pipeline(MiniLMVectorizer(directory), classifier)
        pipeline.fit(texts, topics, sample_weight=weights)
        alone = LogisticRegression().fit(MiniLM(directory).encode(texts), topics, sample_weight=weights)
        # the same numbers, by the same solver
        np.testing.assert_allclose(pipeline[-1].coef_, alone.coef_, rtol=0, atol=1e-6)
        with pytest.raises(ValueError, match="sample_weight"):
            make_pipeline(MiniLMVectorizer(directory), LogisticRegression()).fit(
                texts, topics, sample_weight=weights
            )
    fit: Any = MiniLMVectorizer(directory).fit
    with pytest.raises(TypeError, match="sample_weight"):
        fit(texts, topics, sample_weight=weights)


def test_the_batch_size_is_that_of_encode(
    make_checkpoint: MakeCheckpoint, batch_sizes: list[int | None]
) -> None:
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    from minilm.integrations.scikit_learn import MiniLMVectorizer

    MiniLMVectorizer(make_checkpoint(), batch_size=7).transform(["a b"])
    assert batch_sizes == [7]
