"""A small vision transformer (Dosovitskiy et al., "An image is worth 16x16 words: transformers for image
recognition at scale", 2021): one encoder of nn.TransformerEncoder, one of blocks of its own."""

import json

import numpy as np
import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR
from torch.utils.data import DataLoader, TensorDataset

rng = np.random.default_rng(7)


class PatchEmbedding(nn.Module):
    def __init__(self, img_size, patch_size, in_chans, embed_dim):
        super().__init__()
        assert img_size % patch_size == 0, "the image is cut into whole patches"
        self.num_patches = (img_size // patch_size) ** 2
        self.proj = nn.Conv2d(in_chans, embed_dim, kernel_size=patch_size, stride=patch_size)

    def forward(self, x):
        return self.proj(x).flatten(2).transpose(1, 2)


class Block(nn.Module):
    def __init__(self, dim, num_heads, mlp_ratio=2):
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = nn.MultiheadAttention(dim, num_heads, batch_first=True)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = nn.Sequential(
            nn.Linear(dim, dim * mlp_ratio), nn.GELU(), nn.Dropout(0.0), nn.Linear(dim * mlp_ratio, dim)
        )

    def forward(self, x):
        y = self.norm1(x)
        attended, weights = self.attn(y, y, y, average_attn_weights=False)
        assert weights.shape == (x.size(0), self.attn.num_heads, x.size(1), x.size(1))
        x = x + attended
        return x + self.mlp(self.norm2(x))


class VisionTransformer(nn.Module):
    def __init__(self, encoder, img_size=16, patch_size=4, num_classes=4, dim=32, depth=2, heads=4):
        super().__init__()
        self.patch_embed = PatchEmbedding(img_size, patch_size, 3, dim)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + self.patch_embed.num_patches, dim))
        if encoder == "layers":
            layer = nn.TransformerEncoderLayer(
                d_model=dim,
                nhead=heads,
                dim_feedforward=2 * dim,
                dropout=0.0,
                activation="gelu",
                batch_first=True,
                norm_first=True,
            )
            self.blocks = nn.TransformerEncoder(layer, num_layers=depth, enable_nested_tensor=False)
        else:
            self.blocks = nn.Sequential(*[Block(dim, heads) for _ in range(depth)])
        self.norm = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, num_classes)
        nn.init.trunc_normal_(self.pos_embed, std=0.02)
        self.apply(self._init_weights)

    def _init_weights(self, m):
        if isinstance(m, (nn.Conv2d, nn.Linear)) and m.bias is not None:
            nn.init.constant_(m.bias, 0)
        elif isinstance(m, nn.LayerNorm):
            nn.init.constant_(m.bias, 0)
            nn.init.constant_(m.weight, 1.0)

    def forward(self, x):
        x = self.patch_embed(x)
        cls_tokens = self.cls_token.expand(x.shape[0], -1, -1)
        x = torch.cat((cls_tokens, x), dim=1) + self.pos_embed
        x = self.norm(self.blocks(x))
        return self.head(x[:, 0])


def draw_weights(model):
    """Numbers of numpy in place of those that each library would draw."""
    state = model.state_dict()
    for name, value in state.items():
        if value.dim() > 1:
            deviation = 0.02 if "token" in name or "embed" in name else value[0].numel() ** -0.5
            drawn = deviation * rng.standard_normal(tuple(value.shape))
            state[name] = torch.from_numpy(drawn).to(value.dtype)
    model.load_state_dict(state)


def pictures(count, size):
    """Noise with a bright square in one of four corners, which is the class."""
    labels = rng.integers(4, size=count)
    found = 0.5 * rng.standard_normal((count, 3, size, size))
    half = size // 2
    for image, label in zip(found, labels, strict=True):
        row, column = divmod(int(label), 2)
        image[:, row * half : (row + 1) * half, column * half : (column + 1) * half] += 1.0
    return TensorDataset(torch.from_numpy(found).float(), torch.from_numpy(labels))


def train(encoder, steps):
    model = VisionTransformer(encoder)
    draw_weights(model)
    decay = [p for n, p in model.named_parameters() if p.ndim > 1 and "pos_embed" not in n]
    no_decay = [p for n, p in model.named_parameters() if p.ndim <= 1 or "pos_embed" in n]
    optimizer = torch.optim.AdamW(
        [{"params": decay, "weight_decay": 0.05}, {"params": no_decay, "weight_decay": 0.0}], lr=2e-3
    )
    scheduler = CosineAnnealingLR(optimizer, T_max=steps, eta_min=1e-5)
    criterion = nn.CrossEntropyLoss(label_smoothing=0.1)
    loader = DataLoader(pictures(16 * 5, 16), batch_size=16, shuffle=False, drop_last=True)
    losses = []
    model.train()
    while len(losses) < steps:
        for images, targets in loader:
            loss = criterion(model(images), targets)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            scheduler.step()
            losses.append(loss.item())
    model.eval()
    with torch.inference_mode():
        correct = sum((model(x).argmax(1) == y).sum().item() for x, y in loader)
    return [*losses[:steps], correct / 80]


if __name__ == "__main__":
    print(json.dumps(train("layers", 20) + train("blocks", 20)))
