"""A zoo of small generators, written the ways that people write them."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def shake(module: nn.Module, seed: int = 0) -> nn.Module:
    """Give batch-norms statistics as after training, so that they do something."""
    generator = torch.Generator().manual_seed(seed)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d) and part.running_mean is not None:
            part.running_mean.copy_(torch.randn(part.num_features, generator=generator))
            part.running_var.copy_(torch.rand(part.num_features, generator=generator) + 0.1)
            if part.affine:
                with torch.no_grad():
                    part.weight.copy_(torch.randn(part.num_features, generator=generator))
                    part.bias.copy_(torch.randn(part.num_features, generator=generator))
    return module


def dcgan(bias: bool = False) -> nn.Module:
    return nn.Sequential(
        nn.ConvTranspose2d(8, 6, 4, 1, 0, bias=bias),
        nn.BatchNorm2d(6),
        nn.ReLU(True),
        nn.ConvTranspose2d(6, 4, 4, 2, 1, bias=bias),
        nn.BatchNorm2d(4),
        nn.ReLU(True),
        nn.ConvTranspose2d(4, 1, 4, 2, 1, bias=bias),
        nn.Tanh(),
    )


class OfficialDcgan(nn.Module):
    """As in the examples of PyTorch: a branch on the device, and data_parallel for several of them."""

    def __init__(self, ngpu: int = 1) -> None:
        super().__init__()
        self.ngpu = ngpu
        self.main = dcgan()

    def forward(self, input: Tensor) -> Tensor:
        if input.is_cuda and self.ngpu > 1:
            return nn.parallel.data_parallel(self.main, input, range(self.ngpu))
        return self.main(input)


class UpsampleGan(nn.Module):
    """Linear, view, batch-norm without a layer before it, upsampling and convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.init_size = 2
        self.l1 = nn.Sequential(nn.Linear(5, 8 * self.init_size**2))
        self.conv_blocks = nn.Sequential(
            nn.BatchNorm2d(8),
            nn.Upsample(scale_factor=2),
            nn.Conv2d(8, 6, 3, stride=1, padding=1),
            nn.BatchNorm2d(6, 0.8),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Upsample(scale_factor=2),
            nn.Conv2d(6, 3, 3, stride=1, padding="same"),
            nn.Tanh(),
        )

    def forward(self, z: Tensor) -> Tensor:
        out = self.l1(z)
        out = out.view(out.shape[0], 8, self.init_size, self.init_size)
        return self.conv_blocks(out)


class MlpGan(nn.Module):
    """Fully connected, the image made by a view at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.img_shape = (1, 4, 4)

        def block(inputs: int, outputs: int, normalize: bool = True) -> list[nn.Module]:
            layers: list[nn.Module] = [nn.Linear(inputs, outputs)]
            if normalize:
                layers.append(nn.BatchNorm1d(outputs, 0.8))
            layers.append(nn.LeakyReLU(0.2, inplace=True))
            return layers

        self.model = nn.Sequential(*block(5, 8, False), *block(8, 12), nn.Dropout(0.4), nn.Linear(12, 16), nn.Tanh())

    def forward(self, z: Tensor) -> Tensor:
        img = self.model(z)
        return img.view(img.size(0), *self.img_shape)


class Functional(nn.Module):
    """Functions and tensor methods, control flow on shapes, an unused input, and weights scaled in forward."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(5, 12, bias=False)
        self.weight = nn.Parameter(torch.randn(3, 4, 3, 3))
        self.gain = 0.5
        self.out = nn.ConvTranspose2d(4, 2, 3)
        self.identity = nn.Identity()

    def forward(self, z: Tensor, noise: Tensor | None = None) -> Tensor:
        if z.dim() == 4:
            z = torch.flatten(z, 1)
        batch, features = z.shape
        assert features == 5
        x = F.leaky_relu(self.fc(z), 0.1)
        x = F.dropout(x, 0.5, self.training).unsqueeze(-1).unsqueeze(-1)
        x = torch.reshape(x, (batch, 3, 2, 2)).contiguous()
        x = F.interpolate(x, scale_factor=(1, 2), mode="nearest")
        x = F.conv_transpose2d(x, self.weight * self.gain, stride=(2, 1), padding=1, output_padding=(1, 0))
        x = self.identity(torch.sigmoid(x))
        x = F.interpolate(x, size=[8, 8])
        return self.out(F.relu(x)).tanh()


class Indexed(nn.Module):
    """A latent vector made an image by indexing, an image flattened at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(5, 2, 3)

    def forward(self, z: Tensor) -> Tensor:
        x = self.up(z[:, :, None, None]).sigmoid()
        return x.reshape(x.shape[0], -1)


class OwnConv(nn.Conv2d):
    """A subclass that leaves the mathematics alone."""


def rectangular() -> nn.Module:
    return nn.Sequential(
        nn.ConvTranspose2d(3, 4, (3, 2), stride=(2, 3), padding=(1, 0), output_padding=(1, 2)),
        nn.LeakyReLU(),
        OwnConv(4, 2, (1, 3), stride=(1, 2), padding=(0, 1), dilation=(2, 1)),
        nn.Upsample(scale_factor=(2, 1)),
        nn.BatchNorm2d(2, affine=False),
        nn.Sigmoid(),
    )


def flat() -> nn.Module:
    return nn.Sequential(
        nn.Flatten(), nn.Linear(12, 6), nn.Unflatten(1, (6, 1, 1)), nn.UpsamplingNearest2d(scale_factor=3), nn.ReLU()
    )


ZOO = {
    "dcgan": (dcgan, (8, 1, 1)),
    "dcgan_with_bias": (lambda: dcgan(bias=True), (8, 1, 1)),
    "official_dcgan": (OfficialDcgan, (8, 1, 1)),
    "upsample": (UpsampleGan, (5,)),
    "mlp": (MlpGan, (5,)),
    "functional": (Functional, (5,)),
    "functional_from_image": (Functional, (5, 1, 1)),
    "indexed": (Indexed, (5,)),
    "rectangular": (rectangular, (3, 2, 4)),
    "stride_above_kernel": (lambda: nn.Sequential(nn.ConvTranspose2d(3, 2, 2, 3), nn.Conv2d(2, 2, 1, 2)), (3, 2, 2)),
    "flat": (flat, (3, 2, 2)),
    "one_layer": (lambda: nn.Linear(3, 2), (3,)),
    "spectral_norm": (
        lambda: nn.Sequential(nn.utils.parametrizations.spectral_norm(nn.Linear(3, 4)), nn.ReLU()),
        (3,),
    ),
    "old_spectral_norm": (
        lambda: nn.Sequential(nn.utils.spectral_norm(nn.ConvTranspose2d(3, 4, 2)), nn.ReLU()),
        (3, 2, 2),
    ),
    "weight_norm": (lambda: nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 4, 2))), (3, 3, 3)),
    "old_weight_norm": (lambda: nn.Sequential(nn.utils.weight_norm(nn.Conv2d(3, 4, 2)), nn.Tanh()), (3, 3, 3)),
    "data_parallel": (lambda: nn.DataParallel(dcgan()), (8, 1, 1)),
}
