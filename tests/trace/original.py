"""Every intermediate of a model of transformers, by hooks: under the names that minilm gives to its own."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from minilm.variants import VARIANTS

INPUTS = ("LayerNorm", "layer_norm")  # whose inputs are recorded as well


def load_bert(checkpoint: Path, dtype: str = "float32") -> Any:
    """Return BertModel, with the only attention that shows its probabilities."""
    import torch
    from transformers import BertModel

    return BertModel.from_pretrained(
        str(checkpoint), dtype=getattr(torch, dtype), attn_implementation="eager", add_pooling_layer=False
    ).eval()


def original_intermediates(
    model: Any, input_ids: Any, attention_mask: Any, *, family: str = "bert", **inputs_of_model: Any
) -> dict[str, np.ndarray]:
    """Run the family's model, and return what its modules made, in their order."""
    import torch
    from torch.nn import functional

    own_name = VARIANTS[family].own_name
    found: dict[str, Any] = {}
    hooks = []

    def output(name: str, _module: Any, _inputs: Any, made: Any) -> None:
        found[name] = made

    def inputs(name: str, _module: Any, given: Any) -> None:
        found[name] = given[0]

    for name, module in model.named_modules():
        if not [*module.children()] and "dropout" not in name and "relative" not in name:
            hooks.append(module.register_forward_hook(partial(output, name)))
        if name.endswith(INPUTS):
            hooks.append(module.register_forward_pre_hook(partial(inputs, f"{name}.input")))
        if name.endswith(output_layer := own_name("attention.output.dense")):
            context = name.removesuffix(output_layer) + own_name("attention.self.context_layer")
            hooks.append(module.register_forward_pre_hook(partial(inputs, context)))
    softmax, scores = functional.softmax, []

    def recorded_softmax(x: Any, *args: Any, **options: Any) -> Any:
        scores.append(x)  # with the mask added to them
        return softmax(x, *args, **options)

    functional.softmax = recorded_softmax
    try:
        with torch.inference_mode():
            result = model(
                torch.from_numpy(input_ids),
                attention_mask=torch.from_numpy(attention_mask),
                output_attentions=True,
                **inputs_of_model,
            )
    finally:
        functional.softmax = softmax
        for hook in hooks:
            hook.remove()
    for layer, probs in enumerate(result.attentions):
        name = own_name(f"encoder.layer.{layer}.attention.self")
        found[f"{name}.attention_scores"], found[f"{name}.attention_probs"] = scores[layer], probs
    return {name: tensor.double().numpy() for name, tensor in found.items()}
