#!/usr/bin/env python3
"""Write sd_unet, sd_vae, sd_clip and lora_train.safetensors: what diffusers, transformers and peft compute with tiny
networks, float32 on the CPU.

    python make_stable_diffusion.py [OUT_DIR] [--seed 1]

needs: torch==2.11.0 diffusers==0.42.1 peft==0.21.2 transformers==5.23.0. Weights, latents and noise are rounded to float16
before anything is computed, so that the files hold them exactly in half the space. The header's `config` entry is the
network's config.json. Odd and even seeds give networks of different shapes.
"""
import argparse, json, os
import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from peft import LoraConfig
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel

arguments = argparse.ArgumentParser()
arguments.add_argument("out", nargs="?", default=os.path.dirname(os.path.abspath(__file__)))
arguments.add_argument("--seed", type=int, default=1)
arguments = arguments.parse_args()
seed, odd = arguments.seed, arguments.seed % 2 == 1
torch.use_deterministic_algorithms(True)


def rounded(x):
    return x.half().float()


def round_weights(module):
    for tensor in list(module.parameters()) + list(module.buffers()):
        if tensor.is_floating_point():
            tensor.data = rounded(tensor.data)
    return module


def halved(tensors, prefix="w."):
    return {prefix + name: tensor.detach().half() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}


def save(name, tensors, config):
    tensors = {key: tensor.detach().clone().contiguous() for key, tensor in tensors.items()}
    path = f"{arguments.out}/{name}.safetensors"
    save_file(tensors, path, {"config": json.dumps(config, sort_keys=True)})
    os.chmod(path, 0o644)


width = 48 if odd else 32
unet_config = dict(
    in_channels=4, out_channels=4, sample_size=16, cross_attention_dim=width, attention_head_dim=4 if odd else 2,
    block_out_channels=(16, 32, 32), layers_per_block=2 if odd else 1, norm_num_groups=8,
    down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
    up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"))
torch.manual_seed(seed)
unet = round_weights(UNet2DConditionModel(**unet_config).eval())
x, t, context = torch.randn(2, 4, 16, 16), torch.tensor([3, 871]), torch.randn(2, 77, width)
odd_x = torch.randn(1, 4, 10, 14)  # sides that halve to odd ones
with torch.no_grad():
    save("sd_unet", {
        **halved(unet.state_dict()), "in.x": x, "in.t": t, "in.ctx": context, "in.odd": odd_x,
        "out.eps": unet(x, t, encoder_hidden_states=context).sample,
        "out.odd": unet(odd_x, t[1:], encoder_hidden_states=context[1:]).sample,
    }, unet_config)

vae_config = dict(
    in_channels=3, out_channels=3, latent_channels=4, block_out_channels=(8, 16, 16, 32), layers_per_block=2,
    norm_num_groups=4, down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4, sample_size=64)
torch.manual_seed(seed + 10)
vae = round_weights(AutoencoderKL(**vae_config).eval())
image, z = torch.rand(1, 3, 64, 48 if odd else 64) * 2 - 1, torch.randn(1, 4, 8, 8)
with torch.no_grad():
    encoded = vae.encode(image).latent_dist
    save("sd_vae", {
        **halved(vae.state_dict()), "in.image": image, "in.z": z, "out.mean": encoded.mean, "out.logvar": encoded.logvar,
        "out.decoded": vae.decode(z).sample,
    }, vae_config)

clip_config = dict(
    vocab_size=1000, hidden_size=width, intermediate_size=2 * width, num_hidden_layers=3, num_attention_heads=4,
    max_position_embeddings=77, hidden_act="quick_gelu" if odd else "gelu", bos_token_id=998, eos_token_id=999)
torch.manual_seed(seed + 20)
clip = round_weights(CLIPTextModel(CLIPTextConfig(**clip_config)).to(torch.float32).eval())
ids = torch.randint(0, 998, (3, 77))
ids[:, 0] = 998
for row, length in enumerate((5, 30, 76)):
    ids[row, length:] = 999
with torch.no_grad():
    save("sd_clip", {**halved(clip.state_dict()), "in.ids": ids, "out.hidden": clip(ids).last_hidden_state}, clip_config)

# Training of a LoRA: twenty steps of AdamW on fixed noise.
torch.manual_seed(seed + 100)
targets = ["to_q", "to_k", "to_v", "to_out.0"]
unet = round_weights(UNet2DConditionModel(**unet_config))
unet.requires_grad_(False)
record = halved(unet.state_dict())
unet.add_adapter(LoraConfig(r=4, lora_alpha=16, lora_dropout=0.0, init_lora_weights=True, target_modules=targets))
lora = [(name, parameter) for name, parameter in unet.named_parameters() if parameter.requires_grad]
record.update({"lora0." + name: parameter.detach().clone() for name, parameter in lora})
optimizer = torch.optim.AdamW([p for _, p in lora], lr=1e-3, betas=(0.9, 0.999), weight_decay=1e-2, eps=1e-8)
schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / 5))
steps, batch = 20, 3
latents, noise = rounded(torch.randn(steps, batch, 4, 16, 16)), rounded(torch.randn(steps, batch, 4, 16, 16))
times, context = torch.randint(0, 1000, (steps, batch)), torch.randn(1, 77, width)
ddpm = DDPMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", num_train_timesteps=1000)
losses, norms = [], []
unet.train()
for step in range(steps):
    noisy = ddpm.add_noise(latents[step], noise[step], times[step])
    prediction = unet(noisy, times[step], encoder_hidden_states=context.expand(batch, -1, -1)).sample
    loss = torch.nn.functional.mse_loss(prediction, noise[step])
    optimizer.zero_grad()
    loss.backward()
    norms.append(torch.nn.utils.clip_grad_norm_([p for _, p in lora], 0.5).item())
    optimizer.step()
    schedule.step()
    losses.append(loss.item())
record.update({"lora1." + name: parameter for name, parameter in lora})
record.update({
    "in.latents": latents.half(), "in.noise": noise.half(), "in.t": times, "in.ctx": context,
    "out.loss": torch.tensor(losses, dtype=torch.float64), "out.grad_norm": torch.tensor(norms, dtype=torch.float64),
})
save("lora_train", record, dict(
    unet=unet_config, r=4, alpha=16, targets=targets, lr=1e-3, betas=[0.9, 0.999], weight_decay=1e-2, eps=1e-8, clip=0.5, warmup_steps=5))
