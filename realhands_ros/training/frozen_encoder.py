"""
The frozen image head and tail, run by OpenVINO where it is installed.

On a CPU they take a tenth of the time that PyTorch needs, which is most of a training step while
they are not trained.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn

from realhands_ros.handnet.encoder import HeadFeatures, TailFeatures
from realhands_ros.handnet.network import HandNet
from realhands_ros.openvino_runtime import has_openvino, infer_request, load_openvino


class ImageFeatures(NamedTuple):
    """Features of images; ``tail`` None where it was left out."""

    head: HeadFeatures
    tail: TailFeatures | None


class FrozenEncoder:
    """Images (B, 3, S, S) in 0..1 to ImageFeatures, without gradients."""

    def __init__(self, network: HandNet, *, with_tail: bool = True) -> None:
        """Take the weights as they are now."""
        encoder = _Encoder(network, with_tail=with_tail).eval()
        self._run: _Encoder | None = encoder
        if has_openvino():
            size = network.config.input_size
            example = torch.zeros(2, 3, size, size)
            traced = torch.jit.trace(  # type: ignore[no-untyped-call]
                encoder, example, check_trace=False
            )
            model = load_openvino().convert_model(traced, example_input=example)
            self._request = infer_request(model, threads=torch.get_num_threads())
            self._run = None

    @torch.no_grad()
    def __call__(self, images: torch.Tensor) -> ImageFeatures:
        """Encode."""
        if self._run is not None:
            tensors = self._run(images)
        else:
            self._request.infer([images.contiguous().numpy()])
            outputs = (tensor.data for tensor in self._request.output_tensors)
            tensors = tuple(torch.tensor(array) for array in outputs)
        tail = TailFeatures(*tensors[3:]) if len(tensors) > 3 else None
        return ImageFeatures(HeadFeatures(*tensors[:3]), tail)


class _Encoder(nn.Module):
    def __init__(self, network: HandNet, *, with_tail: bool) -> None:
        super().__init__()
        self._network = network
        self._with_tail = with_tail

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        network, config = self._network, self._network.config
        head = network.image_head((images - config.image_centre) / config.image_scale)
        return (*head, *network.tail(head.down3)) if self._with_tail else tuple(head)
