"""What metrics.safetensors lacks: MS-SSIM in float64, clean-fid's features, and Fréchet distances of fewer samples than
features.

    pip install torch==2.11.0 torchvision==0.26.0 torchmetrics==1.9.0 clean-fid==0.1.35 pytorch-fid==0.3.0 scipy safetensors
    python tests/golden/make_metrics_more.py tests/golden

The Inception network is pytorch-fid's, its weights by the formula that tests/it/metrics.rs repeats; the images are those
of metrics.safetensors.
"""

import math
import sys
import zlib

import numpy as np
import scipy.linalg
import torch
from cleanfid.resize import build_resizer
from pytorch_fid import inception
from safetensors.torch import load_file, save_file
from torchmetrics.functional.image import multiscale_structural_similarity_index_measure as ms_ssim

folder = sys.argv[1]


def formula(module):
    tensors = list(module.named_parameters()) + list(module.named_buffers())
    for name, tensor in tensors:
        if name.endswith(("bn.weight", "running_var")):
            tensor.data.fill_(1)
        elif name.endswith(("bn.bias", "running_mean")):
            tensor.data.zero_()
        elif tensor.is_floating_point():
            with np.errstate(over="ignore"):
                z = np.arange(tensor.numel(), dtype=np.uint64) + (np.uint64(zlib.crc32(name.encode())) << np.uint64(32))
                z += np.uint64(0x9E3779B97F4A7C15)
                z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
                z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
                z ^= z >> np.uint64(31)
            v = 2 * ((z >> np.uint64(11)).astype(np.float64) * 2.0**-53) - 1
            v *= math.sqrt(6 / tensor[0].numel()) if tensor.dim() >= 2 else 0.01
            tensor.data.copy_(torch.from_numpy(v).reshape(tensor.shape).float())


inception.load_state_dict_from_url = lambda *_, **__: None
torch.nn.Module.load_state_dict, kept = lambda *_, **__: None, torch.nn.Module.load_state_dict
network = inception.fid_inception_v3()
torch.nn.Module.load_state_dict = kept
formula(network)
inception.fid_inception_v3 = lambda: network
model = inception.InceptionV3([3], resize_input=False, normalize_input=False).eval()

resize = build_resizer("clean")
golden = load_file(f"{folder}/metrics.safetensors")
images = np.stack([resize(image) for image in golden["in.b"].numpy()])
with torch.no_grad():
    features = model((torch.from_numpy(images).permute(0, 3, 1, 2) - 128) / 128)[0].flatten(1)


def frechet(a, b):
    """In float64, by the eigenvalues of the product of the covariances: no root of a singular matrix."""
    s, t = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = np.sqrt(np.clip(scipy.linalg.eigvals(s @ t).real, 0, None)).sum()
    return ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(s) + np.trace(t) - 2 * root


rng = np.random.default_rng(5)
few_a, few_b = rng.normal(size=(9, 40)), rng.normal(0.2, 1.4, size=(12, 40))
many_b = rng.normal(0.2, 1.4, size=(70, 40))
# In float32, as metrics.safetensors has it, torchmetrics itself is off by 3e-6.
a, b = (golden[name].permute(0, 3, 1, 2).double() / 255 for name in ("in.a", "in.b"))
tensors = {
    "out.ms_ssim": torch.stack([ms_ssim(x[None], y[None], data_range=1.0) for x, y in zip(a, b)]),
    "out.features": features,
    "in.few_a": torch.from_numpy(few_a),
    "in.few_b": torch.from_numpy(few_b),
    "in.many_b": torch.from_numpy(many_b),
    "out.few": torch.tensor(frechet(few_a, few_b), dtype=torch.float64),
    "out.few_many": torch.tensor(frechet(few_a, many_b), dtype=torch.float64),
}
save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, f"{folder}/metrics_more.safetensors")
