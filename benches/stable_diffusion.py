"""The same training step by diffusers and peft, on the same card: what docs/benchmarks.md compares Track 2 with.

    python stable_diffusion.py base FOLDER          a model of Stable Diffusion 1.5's shapes with random weights
    python stable_diffusion.py step FOLDER [--compile] [--batch 10] [--size 512] [--steps 30]

`step` takes cached latents and text embeddings, draws noise and one timestep a picture, and moves rank-4 float32 adapters
beside a frozen bfloat16 U-Net, as the diffusers examples do: autocast, AdamW, gradients clipped at 0.5. Prints images/s,
milliseconds a step and peak memory. Needs: torch diffusers peft transformers.
"""

import argparse
import os
import time

os.environ["HF_HUB_OFFLINE"] = "1"
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from diffusers.utils import logging

logging.set_verbosity_error()
parser = argparse.ArgumentParser()
parser.add_argument("what", choices=["base", "step"])
parser.add_argument("folder")
parser.add_argument("--compile", action="store_true")
parser.add_argument("--batch", type=int, default=10)
parser.add_argument("--size", type=int, default=512)
parser.add_argument("--steps", type=int, default=30)
arguments = parser.parse_args()
device = "cuda" if torch.cuda.is_available() else "cpu"

SD15 = dict(
    sample_size=64,
    cross_attention_dim=768,
    attention_head_dim=8,
    block_out_channels=(320, 640, 1280, 1280),
    layers_per_block=2,
)
KL = dict(
    down_block_types=("DownEncoderBlock2D",) * 4,
    up_block_types=("UpDecoderBlock2D",) * 4,
    block_out_channels=(128, 256, 512, 512),
    layers_per_block=2,
    sample_size=512,
)
NOISE = dict(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012, clip_sample=False, steps_offset=1)


def base(folder):
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.manual_seed(0)
    with torch.device(device):
        parts = {"unet": UNet2DConditionModel(**SD15), "vae": AutoencoderKL(**KL)}
        text = CLIPTextConfig(
            vocab_size=49408,
            hidden_size=768,
            intermediate_size=3072,
            num_hidden_layers=12,
            num_attention_heads=12,
            projection_dim=768,
        )
        parts["text_encoder"] = CLIPTextModel(text)
    for name, part in parts.items():
        part.half().save_pretrained(os.path.join(folder, name))
    DDPMScheduler(**NOISE).save_pretrained(os.path.join(folder, "scheduler"))


def step(folder):
    from peft import LoraConfig

    if device == "cpu":
        raise SystemExit("step: this times a GPU, and torch sees none")
    torch.manual_seed(0)
    unet = UNet2DConditionModel.from_pretrained(folder, subfolder="unet", torch_dtype=torch.bfloat16).to(device)
    unet.requires_grad_(False)
    targets = ["to_q", "to_k", "to_v", "to_out.0"]
    unet.add_adapter(LoraConfig(r=4, lora_alpha=16, lora_dropout=0.1, target_modules=targets))
    trained = [parameter for parameter in unet.parameters() if parameter.requires_grad]
    for parameter in trained:
        parameter.data = parameter.data.float()
    unet.train()
    network = torch.compile(unet) if arguments.compile else unet
    schedule = DDPMScheduler.from_pretrained(folder, subfolder="scheduler")
    optimizer = torch.optim.AdamW(trained, lr=1e-4, weight_decay=1e-2)
    side = arguments.size // 8
    kept = torch.randn(8, arguments.batch, 4, side, side, device=device)
    text = torch.randn(arguments.batch, 77, 768, device=device)

    def once(at):
        latents = kept[at % 8]
        noise = torch.randn_like(latents)
        timesteps = torch.randint(1000, (arguments.batch,), device=device)
        with torch.autocast(device, torch.bfloat16):
            predicted = network(schedule.add_noise(latents, noise, timesteps), timesteps, text).sample
            loss = F.mse_loss(predicted.float(), noise)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 0.5)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss

    begin = time.perf_counter()
    for at in range(5):
        once(at)
    torch.cuda.synchronize()
    warm = time.perf_counter() - begin
    torch.cuda.reset_peak_memory_stats()
    rounds = []
    for _ in range(3):
        begin = time.perf_counter()
        for at in range(arguments.steps):
            once(at)
        torch.cuda.synchronize()
        rounds.append((time.perf_counter() - begin) / arguments.steps)
    best, peak = min(rounds), torch.cuda.max_memory_allocated() / 2**30
    name = "compiled" if arguments.compile else "eager"
    print(
        f"diffusers + peft, {name}: {sum(p.numel() for p in trained)} parameters, {arguments.batch / best:.1f} images/s, "
        f"{best * 1e3:.1f} ms a step (rounds {', '.join(f'{r * 1e3:.1f}' for r in rounds)}), peak {peak:.1f} GiB, "
        f"first five steps {warm:.0f} s",
        flush=True,
    )


{"base": base, "step": step}[arguments.what](arguments.folder)
