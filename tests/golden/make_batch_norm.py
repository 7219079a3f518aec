#!/usr/bin/env python3
"""NVIDIA's generators with `--norm batch`, for tests/it/pix2pixhd.rs.

    python make_batch_norm.py PATH_TO_NVIDIA_networks.py OUT.safetensors     (needs torch 2.11, safetensors)

For each of global and local: the state dict at the start (0.), the output of a pass in training, the state dict after it
(1., running statistics moved), and the output of a pass in evaluation.
"""
import contextlib, importlib.util, io, sys

import torch
from safetensors.torch import save_file

torch.use_deterministic_algorithms(True)
spec = importlib.util.spec_from_file_location("networks", sys.argv[1])
N = importlib.util.module_from_spec(spec)
sys.modules["torchvision"] = type(sys)("torchvision")  # imported there for VGG, which is not needed here
sys.modules["torchvision"].models = None
spec.loader.exec_module(N)

torch.manual_seed(203)
x = torch.rand(2, 3, 32, 48) * 2 - 1
out = {"x": x}
for kind in ("global", "local"):
    with contextlib.redirect_stdout(io.StringIO()):
        net = N.define_G(3, 3, 4, kind, 1, 1, 1, 1, "batch")
    state = lambda number: {f"{kind}.{number}.{key}": value.detach().clone() for key, value in net.state_dict().items()}
    out.update(state(0))
    with torch.no_grad():
        out[f"{kind}.train"] = net(x)
        out.update(state(1))
        out[f"{kind}.eval"] = net.eval()(x)
save_file({key: value.contiguous() for key, value in out.items()}, sys.argv[2])
