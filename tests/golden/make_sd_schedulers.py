#!/usr/bin/env python3
"""What sd_schedulers.safetensors leaves out, for tests/it/schedulers.rs.

    python make_sd_schedulers.py OUT.safetensors     (needs torch 2.11, diffusers 0.42)

Every case of the header's `cases` is a sampler over a config, from pure noise or (with a strength) from an image, with the
same stand-in network: eps = tanh(0.7 * scale_model_input(x) + 0.1 * sin(t)).
"""
import itertools, json, math, os, sys

import torch
from diffusers import DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler, EulerDiscreteScheduler, PNDMScheduler
from safetensors.torch import load_file, save_file

base = dict(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", num_train_timesteps=1000, steps_offset=1)
own = {
    "ddim": (DDIMScheduler, dict(clip_sample=False)),
    "pndm": (PNDMScheduler, dict(skip_prk_steps=True)),
    "dpmpp-2m": (DPMSolverMultistepScheduler, {}),
    "dpmpp-2m-karras": (DPMSolverMultistepScheduler, dict(use_karras_sigmas=True)),
    "euler": (EulerDiscreteScheduler, {}),
}
configs = [{}, {"prediction_type": "v_prediction"}, {"timestep_spacing": "trailing"}, {"timestep_spacing": "linspace"}, {"timestep_spacing": "leading"}]
cases = [(s, c, n, None) for s, c, n in itertools.product(own, configs, (7,))]
cases += [(s, {}, 12, strength) for s, strength in itertools.product(own, (0.3, 0.6, 1.0))]
cases += [("euler", {"use_karras_sigmas": True}, 9, 0.7), ("dpmpp-2m", {"use_karras_sigmas": True}, 20, 0.5),
          ("ddim", {"clip_sample": True, "clip_sample_range": 0.8}, 8, None), ("ddim", {"prediction_type": "sample"}, 6, None),
          ("dpmpp-2m", {"beta_schedule": "linear", "prediction_type": "v_prediction"}, 16, None)]
g = torch.Generator().manual_seed(11)
out, listed = {}, []
for i, (name, config, n, strength) in enumerate(cases):
    cls, more = own[name]
    s = cls(**{**base, **more, **config})
    s.set_timesteps(n)
    noise, image, key = torch.randn(1, 4, 2, 2, generator=g), torch.randn(1, 4, 2, 2, generator=g), f"c{i}"
    out[f"{key}.noise"] = noise
    timesteps = s.timesteps
    if strength is None:
        x = noise * s.init_noise_sigma
    else:  # StableDiffusionImg2ImgPipeline.get_timesteps and prepare_latents
        begin = max(n - min(int(n * strength), n), 0)
        timesteps = s.timesteps[begin * s.order:]
        if hasattr(s, "set_begin_index"):
            s.set_begin_index(begin * s.order)
        x = s.add_noise(image, noise, timesteps[:1])
        out[f"{key}.image"], out[f"{key}.noisy"] = image, x
    out[f"{key}.timesteps"] = timesteps.double()
    for j, t in enumerate(timesteps):
        eps = torch.tanh(s.scale_model_input(x, t) * 0.7 + 0.1 * math.sin(float(t)))
        x = s.step(eps, t, x).prev_sample
        out[f"{key}.x{j}"] = x
    listed.append(dict(key=key, sampler=name, config=config, steps=n, strength=strength))
ddpm = DDPMScheduler(**base)
d = load_file(os.path.join(os.path.dirname(os.path.abspath(__file__)), "sd_schedulers.safetensors"))
out["ddpm.velocity"] = ddpm.get_velocity(d["ddpm.x0"], d["ddpm.eps"], d["ddpm.t"])
out["ddpm.cosine"] = DDPMScheduler(beta_schedule="squaredcos_cap_v2").alphas_cumprod
save_file({k: v.contiguous().clone() for k, v in out.items()}, sys.argv[1], {"cases": json.dumps(listed)})
