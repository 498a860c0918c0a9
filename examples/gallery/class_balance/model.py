"""Logistic regression on a few labelled images and many without a label."""

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor, nn

CLASSES = 10


class Classifier(nn.Module):
    """w ~ Normal(0, 1), class of an image ~ Categorical(softmax(xᵀ w)), observed for a few images.

    The guide has a point mass for w, and the model's own law for the class of an image without a label. So the ELBO
    learns nothing from those images: of a classifier, they are not what is modelled. What can be learnt from them is
    what a rule says of their classes `y`.

    Args:
        images: without a label, ``(images, columns)``; the last column is a constant.
        labelled: with one, ``(labelled, columns)``.
        labels: their classes, ``(labelled,)``.
    """

    def __init__(self, images: Tensor, labelled: Tensor, labels: Tensor) -> None:
        super().__init__()
        self.images, self.labelled, self.labels = images, labelled, labels
        self.w = nn.Parameter(torch.zeros(images.shape[1], CLASSES))

    def model(self) -> None:
        """Run on all images."""
        w = pyro.sample("w", dist.Normal(torch.zeros_like(self.w), 1.0).to_event(2))
        with pyro.plate("labelled", len(self.labels)):
            pyro.sample("label", dist.Categorical(logits=self.labelled @ w), obs=self.labels)
        with pyro.plate("images", len(self.images)):
            pyro.sample("y", dist.Categorical(logits=self.images @ w))

    def guide(self) -> None:
        """Draw the weights, which are certain, and the classes of images without a label."""
        w = pyro.sample("w", dist.Delta(self.w, event_dim=2))
        with pyro.plate("images", len(self.images)):
            pyro.sample("y", dist.Categorical(logits=self.images @ w), infer={"enumerate": "parallel"})

    @torch.no_grad()
    def measure(self, images: Tensor, classes: Tensor) -> dict[str, float]:
        """Return what the classifier is like on images of known ``classes``: the fields of the table.

        ``accuracy`` is a share, ``log_loss`` in nats an image, ``off`` half the sum over the classes of how far the
        mean probability is from the share (total variation), ``entropy`` in nats an image.
        """
        law = dist.Categorical(logits=images @ self.w)
        shares = torch.bincount(classes, minlength=CLASSES) / len(classes)
        return {
            "accuracy": float((law.probs.argmax(-1) == classes).double().mean()),
            "log_loss": float(-law.log_prob(classes).mean()),
            "off": float((law.probs.mean(0) - shares).abs().sum() / 2),
            "entropy": float(law.entropy().mean()),
        }
