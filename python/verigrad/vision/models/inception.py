"""The block of GoogLeNet.

C. Szegedy et al., "Going Deeper with Convolutions" (arXiv 1409.4842).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import verigrad
from verigrad import nn

if TYPE_CHECKING:
    from verigrad import Tensor


class BasicConv2d(nn.Module):
    """Convolution without bias, batch normalisation (eps 0.001) and ReLU, as in torchvision's GoogLeNet.

    Args:
        in_channels, out_channels: channels that come in and go out.
        kwargs: further arguments of `Conv2d`.
    """

    def __init__(self, in_channels: int, out_channels: int, **kwargs: Any) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, bias=False, **kwargs)
        self.bn = nn.BatchNorm2d(out_channels, eps=0.001)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.relu(self.bn(self.conv(x)))
        return result


class InceptionBlock(nn.Module):
    """Four ways side by side, their channels joined (figure 2b of the paper).

    branch1: 1 x 1; branch2: 1 x 1, then 3 x 3; branch3: 1 x 1, then 5 x 5; branch4: max pooling 3 x 3, then
    1 x 1. Names are those of torchvision's `Inception`, whose branch3 has a kernel of 3 x 3 by an old
    mistake; here it is 5 x 5, as in the paper. Each convolution is a `BasicConv2d`: the paper has no batch
    normalisation, torchvision has.

    Args:
        in_channels: channels of the input.
        ch1x1: channels of branch1.
        ch3x3red, ch3x3: of branch2, between and after its convolutions.
        ch5x5red, ch5x5: of branch3, between and after.
        pool_proj: of branch4.

    Input [N, in_channels, H, W], output [N, ch1x1 + ch3x3 + ch5x5 + pool_proj, H, W].
    """

    def __init__(
        self,
        in_channels: int,
        ch1x1: int,
        ch3x3red: int,
        ch3x3: int,
        ch5x5red: int,
        ch5x5: int,
        pool_proj: int,
    ) -> None:
        super().__init__()
        self.branch1 = BasicConv2d(in_channels, ch1x1, kernel_size=1)
        self.branch2 = nn.Sequential(
            BasicConv2d(in_channels, ch3x3red, kernel_size=1),
            BasicConv2d(ch3x3red, ch3x3, kernel_size=3, padding=1),
        )
        self.branch3 = nn.Sequential(
            BasicConv2d(in_channels, ch5x5red, kernel_size=1),
            BasicConv2d(ch5x5red, ch5x5, kernel_size=5, padding=2),
        )
        self.branch4 = nn.Sequential(
            nn.MaxPool2d(kernel_size=3, stride=1, padding=1),
            BasicConv2d(in_channels, pool_proj, kernel_size=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        branches = [self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)]
        return verigrad.cat(branches, 1)
