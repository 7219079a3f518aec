"""The linear heads of LPIPS v0.1, out of the legacy pickles in the `lpips` wheel, as one safetensors file.

    pip install torch==2.11.0 lpips==0.1.4 safetensors numpy
    python tests/golden/make_lpips_heads.py src/models/perceptual/lpips_heads.safetensors
"""

import pathlib
import sys

import lpips
import torch
from safetensors.torch import save_file

folder = pathlib.Path(lpips.__file__).parent / "weights/v0.1"
heads = {}
for network in ("alex", "squeeze", "vgg"):
    for key, head in torch.load(folder / f"{network}.pth", map_location="cpu", weights_only=True).items():
        heads[f"{network}.{key.removeprefix('lin').removesuffix('.model.1.weight')}"] = head.flatten().contiguous()
save_file(heads, sys.argv[1], {"source": "lpips 0.1.4, weights/v0.1, BSD-2-Clause"})
