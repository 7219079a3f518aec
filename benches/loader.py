"""What `cargo bench --bench loader` is compared with: the paper's loader, a torchvision + PIL DataLoader.

Pairs in the paper's layout, resized with PIL's BICUBIC, flipped together, jittered with the same factors
(torchvision's ColorJitter on PIL images), to float tensors in [-1, 1]. Prints a JSON object a setting.

    pip install torch==2.11.0 torchvision==0.26.0 pillow
    python benches/loader.py DATA --size 512 --workers 0 1 2
"""

import argparse
import json
import pathlib
import random
import time

import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms
from torchvision.transforms import functional as F


class Pairs(Dataset):
    def __init__(self, root, size, strength, hue):
        self.folders = sorted(p for p in pathlib.Path(root).iterdir() if (p / "o.png").exists())
        self.size = (size, size)
        self.jitter = transforms.ColorJitter(strength, strength, strength, hue)

    def __len__(self):
        return len(self.folders)

    def __getitem__(self, index):
        pair = []
        flip = random.random() < 0.5
        order, *factors = transforms.ColorJitter.get_params(
            self.jitter.brightness, self.jitter.contrast, self.jitter.saturation, self.jitter.hue
        )
        steps = (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue)
        for name in ("o.png", "g.png"):
            image = Image.open(self.folders[index] / name).convert("RGB")
            image = F.resize(image, self.size, transforms.InterpolationMode.BICUBIC)
            if flip:
                image = F.hflip(image)
            for step in order:
                if factors[step] is not None:
                    image = steps[step](image, factors[step])
            pair.append(F.normalize(F.to_tensor(image), [0.5] * 3, [0.5] * 3))
        return pair


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=2, help="all of them decode: the first one is timed alone")
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--strength", type=float, default=0.2, help="brightness, contrast, saturation; 0 is off")
    parser.add_argument("--hue", type=float, default=0.05)
    options = parser.parse_args()
    for workers in options.workers:
        begin = time.perf_counter()
        pairs = Pairs(options.data, options.size, options.strength, options.hue)
        loader = DataLoader(
            pairs, options.batch, shuffle=True, num_workers=workers, persistent_workers=workers > 0, drop_last=False
        )
        seconds = []
        for _ in range(options.epochs):
            images = 0
            for photos, illustrations in loader:
                assert photos.dtype == torch.float32
                images += len(photos) + len(illustrations)
            end = time.perf_counter()
            seconds.append(end - begin)
            begin = end
        later = sum(seconds[1:]) / max(len(seconds) - 1, 1)
        print(
            json.dumps({
                "workers": workers,
                "first": images / seconds[0],
                "later": images / later if later else None,
            }),
            flush=True,
        )


if __name__ == "__main__":
    main()
