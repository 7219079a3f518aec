#!/usr/bin/env python3
"""Ten training iterations of Pix2PixHD with NVIDIA's own networks, for tests/it/pix2pixhd.rs.

    python make_pix2pixhd.py PATH_TO_NVIDIA_networks.py OUT.safetensors     (needs torch 2.11, safetensors)

On the CPU. g0, d0: float32 weights at the start; out.*: forward passes and the losses of a float32 run. Ten steps of a
GAN under Adam amplify rounding: the same PyTorch on another processor differs by up to 1e-3 in the last iterations. So the
run is repeated from the same weights in float64 (out64.* and the final weights g1, d1), where parity can be asked of
every iteration. Every tensor is copied when it is taken, because the optimizer writes in place.
"""
import contextlib, importlib.util, io, json, sys

import torch
from safetensors.torch import save_file

torch.use_deterministic_algorithms(True)
spec = importlib.util.spec_from_file_location("networks", sys.argv[1])
N = importlib.util.module_from_spec(spec)
sys.modules["torchvision"] = type(sys)("torchvision")  # imported there for VGG, which is not needed here
sys.modules["torchvision"].models = None
spec.loader.exec_module(N)


def weights(module, prefix):
    return {prefix + key: value.detach().clone() for key, value in module.state_dict().items()}


torch.manual_seed(201)
config = dict(ngf=4, n_downsample_global=2, n_blocks_global=3, n_local_enhancers=1, n_blocks_local=2, ndf=4, n_layers_D=3,
              num_D=2, lr=2e-4, betas=[0.5, 0.999], lambda_feat=10.0, lambda_l1=1.0, netG="local", size=64)
with contextlib.redirect_stdout(io.StringIO()):
    G = N.define_G(3, 3, 4, "local", 2, 3, 1, 2, "instance")
    GG = N.define_G(3, 3, 4, "global", 2, 3, 1, 2, "instance")
    D = N.define_D(6, 4, 3, "instance", False, 2, True)
xs, ys = torch.rand(10, 2, 3, 64, 64) * 2 - 1, torch.rand(10, 2, 3, 64, 64) * 2 - 1
out = {**weights(G, "g0."), **weights(D, "d0."), **weights(GG, "global."), "in.x": xs, "in.y": ys}
with torch.no_grad():
    out["out.global"], out["out.local"] = GG(xs[0]), G(xs[0])
    for i, scale in enumerate(D(torch.cat([xs[0], ys[0]], 1))):
        for j, feature in enumerate(scale):
            out[f"out.d{i}.{j}"] = feature
start = {"G": {k: v.clone() for k, v in G.state_dict().items()}, "D": {k: v.clone() for k, v in D.state_dict().items()}}
mse = lambda o, v: sum(torch.nn.functional.mse_loss(s[-1], torch.full_like(s[-1], v)) for s in o)
for dtype, name in ((torch.float32, "out."), (torch.float64, "out64.")):
    G.load_state_dict(start["G"]), D.load_state_dict(start["D"])
    G.to(dtype), D.to(dtype)
    og = torch.optim.Adam(G.parameters(), 2e-4, betas=(0.5, 0.999))
    od = torch.optim.Adam(D.parameters(), 2e-4, betas=(0.5, 0.999))
    losses = {k: [] for k in ("g_gan", "g_feat", "g_l1", "d_real", "d_fake")}
    for x, y in zip(xs.to(dtype), ys.to(dtype)):
        fake = G(x)
        pred_pool = D(torch.cat([x, fake.detach()], 1))
        pred_real, pred_fake = D(torch.cat([x, y], 1)), D(torch.cat([x, fake], 1))
        real, fooled, gan = mse(pred_real, 1.0), mse(pred_pool, 0.0), mse(pred_fake, 1.0)
        feat = sum(0.5 * torch.nn.functional.l1_loss(pred_fake[k][j], pred_real[k][j].detach()) * 10
                   for k in range(2) for j in range(4))
        l1 = torch.nn.functional.l1_loss(fake, y)
        og.zero_grad(); (gan + feat + l1).backward(); og.step()
        od.zero_grad(); (0.5 * (real + fooled)).backward(); od.step()
        for k, v in zip(losses, (gan, feat, l1, real, fooled)):
            losses[k].append(v.item())
    out.update({name + k: torch.tensor(v, dtype=torch.float64) for k, v in losses.items()})
out.update({k: v.float() for k, v in {**weights(G, "g1."), **weights(D, "d1.")}.items()})
save_file({k: v.contiguous() for k, v in out.items()}, sys.argv[2], {"config": json.dumps(config, sort_keys=True)})
