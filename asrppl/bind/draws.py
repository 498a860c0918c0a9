"""Values that are draws: their first axis in one place for all names."""

from collections.abc import Mapping

from torch import Tensor

from asrppl.bind.bound import InputKey
from asrppl.core.free import FreeNames
from asrppl.core.signature import Entry
from asrppl.diagnostics import Sink


def aligned(
    tensors: dict[InputKey, Tensor], entries: Mapping[str, Entry], drawn: frozenset[str], free: FreeNames, sink: Sink
) -> tuple[dict[InputKey, Tensor], int]:
    """Return tensors with the axis of draws left of all batch axes, and how many of those there are.

    Args:
        tensors: ``(*batch, *index axes)``, of ``drawn`` names ``(draws, *batch, *index axes)``.
        entries: of the names.
        drawn: names whose values are draws.
        free: names as the rules read them, for messages.
        sink: gets an error where names have different numbers of draws (ASR073).
    """

    def batch(key: InputKey, tensor: Tensor) -> int:
        return tensor.dim() - len(entries[key[0]].axes) - (key[1] == "log_probs")

    values = {key: tensor for key, tensor in tensors.items() if key[0] in drawn and key[1] not in ("mask", "log_probs")}
    numbers = {key[0]: tensor.shape[0] for key, tensor in values.items()}
    if len(set(numbers.values())) > 1:
        first = next(iter(numbers))
        other = next(name for name, count in numbers.items() if count != numbers[first])
        sink.add(
            "ASR073",
            free[other].span,
            f"there are {numbers[first]} draws of `{first}` and {numbers[other]} of `{other}`",
            help='draw all names together: the first axis of what is given as "draws" is that of the draws',
        )
        return tensors, 0
    leads = {name: batch(key, tensor) for key, tensor in values.items() for name in (key[0],)}
    has_draws = {
        key
        for key, tensor in tensors.items()
        if key in values or (key[1] == "mask" and batch(key, tensor) == leads.get(key[0]))
    }
    plates = max((batch(key, tensor) - (key in has_draws) for key, tensor in tensors.items()), default=0)
    for key in has_draws:
        tensor = tensors[key]
        missing = plates + 1 - batch(key, tensor)
        tensors[key] = tensor.reshape(tensor.shape[0], *(1,) * missing, *tensor.shape[1:])
    return tensors, plates
