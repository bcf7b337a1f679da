"""A frozen audio tower stays out of the graph.

With gradient checkpointing, PEFT and TRL make the outputs of every input embedding require gradients, since a checkpointed layer passes them on only then. transformers
counts the tower's first convolution among the input embeddings; so autograd follows the whole frozen tower, keeps its layers' inputs, computes them a second
time and goes backward through them, for nothing.
"""

from __future__ import annotations

from functools import wraps
from typing import Any


def keep_out_of_graph(tower: Any) -> bool:
    """Lets a tower that has nothing to train compute without a graph, in place. Outputs, losses and gradients stay what they are; twice does no harm.

    Call it when everything that trains has been put in: after the adapter, and after TRL's trainer has made the model ready.

    Args:
        tower: the module; see `Family.part`.

    Returns:
        Whether it was done: not where a parameter of the tower is trained.
    """
    import torch

    if any(parameter.requires_grad for parameter in tower.parameters()):
        return False

    @wraps(type(tower).forward)
    def forward(*args: Any, **kwargs: Any) -> Any:
        with torch.no_grad():
            return type(tower).forward(tower, *args, **kwargs)

    tower.forward = forward
    return True
