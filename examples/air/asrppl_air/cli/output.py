"""What the commands of the paper print."""

from collections.abc import Mapping


def measures(metrics: Mapping[str, float]) -> str:
    """Return what a run of AIR was measured at, in one line."""
    return "nELBO {nelbo:.1f}   ACC {acc:.3f}   SE {se:.1f}   mIoU {miou:.3f}".format(**metrics)
